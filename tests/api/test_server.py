"""The servers of the REST API: HTTPS, plain HTTP that is switched off, and ports that cannot be used."""

import socket
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from gateway.errors import GatewayError, SettingsError, StateError
from gateway.simulator.ports import find_free_port
from tests.api.serving import served


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(certificate), str(key)


async def test_https_with_the_shops_own_certificate(tmp_path: Path, certificate: tuple[str, str]) -> None:
    trusting = ssl.create_default_context(cafile=certificate[0])
    server = {"https_port": find_free_port(), "tls_certificate": certificate[0], "tls_private_key": certificate[1]}
    async with served(tmp_path, allow_plain_http=False, **server) as at, aiohttp.ClientSession() as http:
        plain, encrypted = at.plain, at.encrypted
        assert encrypted.startswith("https://127.0.0.1:")
        async with http.get(f"{encrypted}healthz", ssl=trusting) as response:
            assert response.status == 200
        async with http.get(f"{encrypted}docs", ssl=trusting) as response:
            assert response.status == 200
        async with http.get(f"{plain}healthz") as response:
            assert response.status == 200
        async with http.get(f"{plain}docs") as response:
            assert response.status == 403
            assert (await response.json(content_type=None))["code"] == "forbidden"


async def test_an_unreadable_key_stops_the_start(tmp_path: Path, certificate: tuple[str, str]) -> None:
    server = {"tls_certificate": certificate[0], "tls_private_key": str(tmp_path / "none.pem")}
    with pytest.raises(SettingsError, match=r"none\.pem"):
        async with served(tmp_path, https_port=find_free_port(), **server):
            pass


@pytest.mark.parametrize("key", ["port", "https_port"])
async def test_a_taken_port_stops_the_start(tmp_path: Path, certificate: tuple[str, str], key: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        server = {"tls_certificate": certificate[0], "tls_private_key": certificate[1], key: taken}
        with pytest.raises(GatewayError, match=f"{taken} .server.{key}") as caught:
            async with served(tmp_path, **server):
                pass
        assert isinstance(caught.value, StateError)


async def test_after_a_refused_start_the_directory_is_free_again(tmp_path: Path) -> None:
    server = {"tls_certificate": str(tmp_path / "none.pem"), "tls_private_key": str(tmp_path / "none.pem")}
    with pytest.raises(SettingsError):
        async with served(tmp_path, https_port=find_free_port(), **server):
            pass
    async with served(tmp_path) as at:
        assert at.plain
