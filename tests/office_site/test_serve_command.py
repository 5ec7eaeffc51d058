"""`sunmi-gateway office serve` as a process: what it prints, the sign-in, joining, and its end."""

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path

import aiohttp

from tests.fleet.cluster import HeadOffice


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


async def test_a_port_that_is_taken_is_named(office: HeadOffice) -> None:
    port = office.servers[0].rpartition(":")[2]
    command = (sys.executable, "-m", "gateway", "office", "serve", "--folder", str(office.chain.path), "--port", port)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said.decode()
