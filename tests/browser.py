"""Chromium without a window, as a till: it trusts the given roots and reaches nothing but loopback.

    async with browsing(tmp_path, roots=[root]) as browser:
        page = await browser.open("https://sunmi-gateway.local:8443/docs")
        title = await page.run("return document.title")

Needs Debian's chromium and libnss3-tools; `why_not` says what is missing.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--remote-debugging-port=0",
    # Every name and address is loopback, and nothing is asked or looked for in the background.
    "--host-resolver-rules=MAP * 127.0.0.1", "--no-proxy-server", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-breakpad",
    "--disable-features=MediaRouter,DialMediaRouteProvider,OptimizationHints,Translate,AsyncDns",
)  # fmt: skip


class BrowserError(Exception):
    """The browser refused to open a page, or a script in it failed; the text is the browser's."""


def why_not() -> str | None:
    """Return why there can be no browser here, or None."""
    missing = [
        package for name, package in (("chromium", "chromium"), ("certutil", "libnss3-tools")) if not shutil.which(name)
    ]
    return f"needs Debian's {' and '.join(missing)}" if missing else None


class Browser:
    """A running browser, told what to do over its debugging protocol."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded: dict[str, asyncio.Event] = {}
        self._reader = asyncio.create_task(self._read())

    async def open(self, url: str) -> "Page":
        """Open a page and wait until it is loaded. Raises `BrowserError`, such as net::ERR_CERT_AUTHORITY_INVALID."""
        target = await self.tell("Target.createTarget", url="about:blank")
        attached = await self.tell("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        session: str = attached["sessionId"]
        await self.tell("Page.enable", session)
        loaded = self._loaded[session] = asyncio.Event()
        answer = await self.tell("Page.navigate", session, url=url)
        if answer.get("errorText"):
            raise BrowserError(answer["errorText"])
        await loaded.wait()
        return Page(self, session)

    async def tell(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command of the debugging protocol and return its result. Raises `BrowserError`."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters}
        await self._connection.send_json(command if session is None else command | {"sessionId": session})
        return await answer

    async def _read(self) -> None:
        async for message in self._connection:
            told = message.json()
            answer = self._answers.pop(told.get("id", 0), None)
            if answer is not None and "error" in told:
                answer.set_exception(BrowserError(told["error"]["message"]))
            elif answer is not None:
                answer.set_result(told["result"])
            elif told["method"] == "Page.loadEventFired" and told["sessionId"] in self._loaded:
                self._loaded[told["sessionId"]].set()

    async def close(self) -> None:
        """Stop listening to the browser."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


class Page:
    """A page that is open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    async def run(self, script: str) -> Any:
        """Run the body of an async function in the page and return what it returns, by way of JSON.

        Raises `BrowserError` with what it throws.
        """
        told = await self._browser.tell(
            "Runtime.evaluate",
            self._session,
            expression=f"(async () => {{ {script} }})()",
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in told:
            raise BrowserError(told["exceptionDetails"].get("exception", {}).get("description", "the script failed"))
        return told["result"].get("value")


@contextlib.asynccontextmanager
async def browsing(folder: Path, roots: Iterable[Path] = (), options: Iterable[str] = ()) -> AsyncIterator[Browser]:
    """Start a browser that keeps everything in a folder of its own and trusts these roots (PEM files)."""
    home = folder / "browser"
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    await _done("certutil", "-d", f"sql:{store}", "-N", "--empty-password")
    for number, root in enumerate(roots):
        await _done("certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", f"root {number}", "-a", "-i", str(root))
    profile = home / "profile"
    process = await asyncio.create_subprocess_exec(
        *("chromium", *_OPTIONS, *options, f"--user-data-dir={profile}", "about:blank"),
        env=os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port, path = (await _written(profile / "DevToolsActivePort", process)).split()
        async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{port}{path}") as connection:
            browser = Browser(connection)
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the browser with all its processes, and let the servers of this loop see that their peer is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    while _lives(process.pid):  # the last of its processes may still hold a connection
        await asyncio.sleep(0.01)
    await process.wait()
    for _ in range(20):  # each turn of the loop brings a TLS connection one step nearer to its end
        await asyncio.sleep(0)


def _lives(group: int) -> bool:
    """Tell whether a process of the group has not ended; one that nobody waited for has."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = file.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


async def _done(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode:
        raise BrowserError(f"{' '.join(command)}: {errors.decode()}")


async def _written(file: Path, process: asyncio.subprocess.Process) -> str:
    """Wait until the browser has written where it listens into a file: its port, and on a second line a path."""
    while not (text := _text(file)).count("\n"):
        if process.returncode is not None:
            raise BrowserError(f"chromium ended with status {process.returncode}")
        await asyncio.sleep(0.05)
    return text


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
