"""HTTPS for tills: trusted with the authority's root, renewed without a restart, and the page about it."""

import asyncio
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from gateway import RELEASED_AT
from gateway.authority import authority
from gateway.errors import SettingsError
from gateway.simulator.ports import find_free_port
from tests.api.serving import Served, served

NO_CHECK_TIME = 0x200000
"""OpenSSL's flag X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name."""


async def fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def shown(at: Served, root: bytes) -> x509.Certificate:
    """Return the certificate of a new connection, which is trusted except for its dates."""
    return await asyncio.to_thread(_shown, at.https_port, root)


def _shown(port: int, root: bytes) -> x509.Certificate:
    context = ssl.create_default_context(cadata=root.decode())
    context.verify_flags |= NO_CHECK_TIME
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")


async def until(at: Served, root: bytes, wanted: Callable[[x509.Certificate], bool]) -> x509.Certificate:
    """Connect again until the certificate is trusted and as expected."""
    while True:
        try:
            certificate: x509.Certificate | None = await shown(at, root)
        except ssl.SSLCertVerificationError:
            certificate = None
        if certificate is not None and wanted(certificate):
            return certificate
        await asyncio.sleep(0.05)


async def curl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--noproxy", "*", "--max-time", "60", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await process.communicate())[0].decode()


async def test_curl_trusts_every_name_with_the_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "RELEASED_AT", 0.0)  # curl may live at any time
    async with served(tmp_path, https_port=find_free_port(), allow_plain_http=False) as at:
        root = tmp_path / "root.pem"
        root.write_bytes(await fetched(f"{at.plain}authority.pem"))
        about = json.loads(await curl("--unix-socket", str(at.gateway.socket), "http://gateway/api/v1/authority"))
        assert {"sunmi-gateway.local", "localhost", at.gateway.advertisement.host} <= set(about["names"])
        assert about["addresses"] == ["127.0.0.1"]
        for url in about["urls"]:
            name = url.split("/")[2].partition(":")[0]
            where = ("--resolve", f"{name}:{at.https_port}:127.0.0.1")
            assert await curl("--cacert", str(root), *where, f"{url}healthz") == '{"status":"ok"}', url
        where = ("--resolve", f"elsewhere.local:{at.https_port}:127.0.0.1")
        refused = await curl("--cacert", str(root), *where, f"https://elsewhere.local:{at.https_port}/healthz")
        assert "no alternative certificate subject name matches" in refused
        assert "unable to get local issuer" in await curl(f"{at.encrypted}healthz")


async def test_the_root_stays_and_the_certificate_is_new_at_each_start(tmp_path: Path) -> None:
    port = find_free_port()
    async with served(tmp_path, https_port=port) as at:
        root = await fetched(f"{at.plain}authority.pem")
        first = await shown(at, root)
    async with served(tmp_path, https_port=port) as at:
        assert await fetched(f"{at.plain}authority.pem") == root
        assert (await shown(at, root)).serial_number != first.serial_number


async def test_a_clock_that_jumps_renews_the_certificate_and_drops_no_connection(tmp_path: Path) -> None:
    async with served(tmp_path, https_port=find_free_port()) as at:
        root = await fetched(f"{at.plain}authority.pem")
        first = await shown(at, root)
        context = ssl.create_default_context(cadata=root.decode())
        context.verify_flags |= NO_CHECK_TIME
        till = http.client.HTTPSConnection("127.0.0.1", at.https_port, context=context)

        def ask() -> Any:
            till.request("GET", "/healthz")
            assert till.getresponse().read() == b'{"status":"ok"}'
            return till.sock

        connection = await asyncio.to_thread(ask)
        # What the cloud says is believed, as on a machine whose clock was wrong at the start.
        at.gateway.cloud.clock.set(max(time.time(), RELEASED_AT) + 200 * 86400)
        second = await until(at, root, lambda one: one.serial_number != first.serial_number)
        assert (second.not_valid_after_utc - first.not_valid_after_utc).days in (199, 200)
        assert await asyncio.to_thread(ask) is connection
        at.gateway.cloud.clock.set(RELEASED_AT - 1e9)
        third = await until(at, root, lambda one: one.serial_number != second.serial_number)
        assert third.not_valid_before_utc.timestamp() < RELEASED_AT < third.not_valid_after_utc.timestamp()
        assert await asyncio.to_thread(ask) is connection
        await asyncio.to_thread(till.close)


OPENSSL = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")  # fmt: skip


def own(folder: Path, name: str, *more: str) -> tuple[bytes, bytes]:
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    command = [*OPENSSL, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate), *(more or ("-nodes",))]
    subprocess.run(command, check=True, capture_output=True)
    return certificate.read_bytes(), key.read_bytes()


async def test_the_shops_own_certificate_is_loaded_again_when_it_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    first, second = own(tmp_path, "own"), own(tmp_path, "next")
    server = {"https_port": find_free_port(), "tls_certificate": str(certificate), "tls_private_key": str(key)}
    async with served(tmp_path, **server) as at:
        assert (await shown(at, first[0])).subject.rfc4514_string() == "CN=own"
        certificate.write_bytes(second[0])  # a renewal that is half done: its key is still the old one
        await until(at, first[0], lambda _: "HTTPS certificate renewal" in caplog.text)
        assert (await shown(at, first[0])).subject.rfc4514_string() == "CN=own"
        key.write_bytes(second[1])
        await until(at, second[0], lambda one: one.subject.rfc4514_string() == "CN=next")
        async with aiohttp.ClientSession() as session, session.get(f"{at.plain}authority") as response:
            assert response.status == 404
            assert "tls_certificate" in (await response.json(content_type=None))["detail"]
    assert not (tmp_path / "state" / "authority.pem").exists()


async def test_a_key_with_a_password_stops_the_start_without_a_prompt(tmp_path: Path) -> None:
    own(tmp_path, "locked", "-passout", "pass:secret")
    server = {"tls_certificate": str(tmp_path / "locked.crt"), "tls_private_key": str(tmp_path / "locked.key")}
    with pytest.raises(SettingsError, match=r"locked\.key cannot be used"):
        async with served(tmp_path, https_port=find_free_port(), **server):
            pass


async def test_plain_http_that_is_switched_off_still_serves_the_authority(tmp_path: Path) -> None:
    async with served(tmp_path, https_port=find_free_port(), allow_plain_http=False) as at:
        page = (await fetched(f"{at.plain}authority")).decode()
        der = await fetched(f"{at.plain}authority.crt")
        assert re.sub("[:\n]", "", re.search(r'id="fingerprint">([^<]*)<', page)[1]).lower() == sha256(der)  # type: ignore[index]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{at.plain}authority.crt") as response:
                assert response.content_type == "application/x-x509-ca-cert"
            for path, status in {
                "hooks/cameras/X": 400,
                "hooks/cloud": 403,
                "api/v1/authority": 403,
                "docs": 403,
            }.items():
                async with session.post(f"{at.plain}{path}") as response:
                    assert response.status == status, path


def sha256(der: bytes) -> str:
    """Return a fingerprint as OpenSSL's command prints it."""
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256"]
    told = subprocess.run(command, input=der, check=True, capture_output=True).stdout.decode()
    return told.strip().partition("=")[2].replace(":", "").lower()


async def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with served(tmp_path, https_port=find_free_port()) as at:
        page = (await fetched(f"{at.plain}authority")).decode()
    links = {url for url in re.findall(r'https?://[^\s"<]+', page) if "://www.w3.org/" not in url}
    named = {url.split("/")[2].rpartition(":")[0] for url in links}
    machine = socket.gethostname()
    names = {at.gateway.advertisement.host, "sunmi-gateway.local", "localhost", "127.0.0.1"}
    assert names <= named <= names | {machine, f"{machine.partition('.')[0]}.local"}
    assert "src=" not in page
    assert "<link" not in page
    assert "$" not in page.replace('"sql:$HOME', "")


async def test_without_https_there_is_no_authority(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as at,
        aiohttp.ClientSession() as session,
        session.get(f"{at.plain}authority") as response,
    ):
        assert response.status == 404
        assert "server.https_port" in (await response.json(content_type=None))["detail"]
    assert not (tmp_path / "state" / "authority.pem").exists()
