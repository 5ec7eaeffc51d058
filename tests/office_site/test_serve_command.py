"""`sunmi-gateway office serve` as a process: what it prints, the sign-in, joining, and its end."""

import asyncio
import json
import shutil
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.errors import SettingsError
from gateway.office.chain_folder import ChainFolder
from gateway.office.office import Office
from gateway.office_site.server import OwnCertificate, serve_office
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program


async def test_it_serves_until_it_is_stopped(office: HeadOffice, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "gateway", "office", "serve", "--folder", str(office.chain.path), "--port", "0")
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, "--json", stdout=asyncio.subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, (tmp_path / "log").read_text()
        started = json.loads(line)
        tls = ssl.create_default_context(cadata=office.chain.authority.pem.decode())
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            url = f"{started['urls'][0]}/console/sign-in"
            async with http.post(url, data={"code": started["code"]}, ssl=tls, allow_redirects=False) as response:
                assert response.status == 303
            async with http.get(f"{started['urls'][0]}/console/", ssl=tls) as response:
                assert "hamburg-1" in await response.text()
            async with http.post(url, data={"code": started["code"]}, ssl=tls) as response:
                assert response.status == 400
            async with http.get(f"{started['join']}/join/v1/authority", ssl=tls) as response:
                assert await response.read() == office.chain.authority.pem
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, (tmp_path / "log").read_text()


async def test_shops_join_where_the_pages_are(office: HeadOffice, tmp_path: Path) -> None:
    """Pages at every address have a certificate that also names where shops join."""
    port = office.chain.plan.join_address.port
    folder = tmp_path / "chain"
    shutil.copytree(office.chain.path, folder)
    plan = folder / "office.toml"
    plan.write_text(plan.read_text().replace(f"127.0.0.1:{port}", f"office.localhost:{port}"))
    async with Office.connect(ChainFolder.open(folder)) as connected:
        names = ("\u529e\u516c\u5ba4.example",)
        async with serve_office(connected, "0.0.0.0", port, names=names):
            tls = ssl.create_default_context(cadata=office.chain.authority.pem.decode())
            for name in ("office.localhost", "localhost", *names):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
                writer.write(b"GET /join/v1/authority HTTP/1.0\r\n\r\n")
                assert (await reader.readline()).split()[1] == b"200"
                writer.close()
        own = OwnCertificate(tmp_path / "own.pem", tmp_path / "own.key")
        with pytest.raises(SettingsError, match="take another port for the pages"):
            async with serve_office(connected, "0.0.0.0", port, own_certificate=own):
                pass


@pytest.mark.parametrize("name", ["", "a b", "https://office.example", "office.example:8443", "office..example", "*.x"])
async def test_what_is_no_name_of_a_host_is_refused(office: HeadOffice, name: str) -> None:
    for option in ("--name", "--host"):
        process = await start_program("gateway", "office", "serve", "--folder", str(office.chain.path), option, name)
        _, said = await process.communicate()
        assert process.returncode == 2
        assert f"{name!r} is no address, and no host name such as office.example" in said.decode()


async def test_a_port_that_is_taken_is_named(office: HeadOffice) -> None:
    port = office.servers[0].rpartition(":")[2]
    command = (sys.executable, "-m", "gateway", "office", "serve", "--folder", str(office.chain.path), "--port", port)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said.decode()
