"""The demo as a newcomer runs it: it ends by itself with --once, else with Ctrl-C, and stays on loopback."""

import asyncio
import contextlib
import json
import re
import signal
from pathlib import Path

import aiohttp

from tests.forking import Program, start_program


async def begin(*words: str, **environment: str) -> Program:
    return await start_program("gateway", "demo", *words, environment=environment)


async def test_once_ends_with_a_summary() -> None:
    process = await begin("--once", "--json")
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    summary = json.loads(output)
    assert (summary["discovered"], summary["state"], summary["zoom"], summary["order_code"]) == (3, "done", 200, 0)
    assert summary["events"] == ["face.seen", "face.seen", "motion.detected"]
    for word in (b"Discover", b"Wi-Fi", b"activate", b"zoom", b"order", b"likely"):
        assert word in errors


async def test_it_stays_until_ctrl_c_and_what_it_shows_works_in_any_folder_and_language(tmp_path: Path) -> None:
    process = await begin(LC_ALL="zh_CN.UTF-8")
    assert process.stderr is not None
    shown = b""
    while b"Ctrl-C" not in shown:
        line = await process.stderr.readline()
        assert line, shown.decode()
        shown += line
    token, url = re.search(r"Bearer (\S+)' (http://127\.0\.0\.1:\d+/)api", shown.decode()).groups()  # type: ignore[union-attr]
    session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"})
    async with session as http, http.get("/api/v1/cameras") as response:
        assert len((await response.json())["cameras"]) == 3
    code = re.search(r"#code=(\S+)", shown.decode())
    assert code is not None
    form = {"code": code[1], "next": "/console/shop/settings"}
    browser = aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with browser, browser.post("/console/sign-in", data=form) as response:
        settings = await response.text()
    assert 'name="cloud.shop_id" type="text" value="10096"' in settings
    assert "still runs with other settings" not in settings
    assert listening(process.pid) <= {"127", "0.0.0.0:5353"}, "only loopback, and multicast DNS, which needs its port"
    [pasted] = [line for line in shown.decode().splitlines() if line.endswith("cameras list")]
    listed = await asyncio.create_subprocess_shell(f"{pasted} --json", cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    assert len(json.loads((await listed.communicate())[0])["cameras"]) == 3
    process.send_signal(signal.SIGINT)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert output.decode().startswith("演示完成")
    assert "很可能是同一张脸" in shown.decode()


def listening(pid: int) -> set[str]:
    """Return where a process has sockets open: `127` for loopback, else the address."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            target = str(link.readlink())
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "udp"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                address, port = fields[1].split(":")
                host = ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
                found.add("127" if host.startswith("127.") else f"{host}:{int(port, 16)}")
    return found
