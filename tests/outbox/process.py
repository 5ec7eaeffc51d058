"""A gateway as a process of its own, on a port that stays the same however often it dies."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from gateway.access.token_table import TokenTable
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.ports import find_free_port
from gateway.storage.database import Database
from tests.forking import Program, start_program


class GatewayProcess:
    """`sunmi-gateway run` with its state in `directory`/state; `cloud_toml` is the section `cloud` of its settings."""

    def __init__(self, directory: Path, cloud_toml: str, ca_pem: str, **environment: str) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.port = find_free_port()
        self.environment = environment
        self.deaths: list[float] = []
        """When it was killed (monotonic seconds)."""
        self._process: Program | None = None
        directory.mkdir(parents=True, exist_ok=True)
        ca_file = directory / "cloud-ca.pem"
        ca_file.write_text(ca_pem)
        self.config = directory / "gateway.toml"
        self.config.write_text(
            f'{cloud_toml}ca_file = "{ca_file}"\n[server]\nhost = "127.0.0.1"\nport = {self.port}\n'
            "pos_deletes_products = true\n"
            f'[storage]\ndirectory = "{self.state}"\n'
            f'[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\nbroadcast_port = {find_free_port()}\n'
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said, in all its lives."""
        file = self.directory / "gateway.log"
        return file.read_text(errors="replace") if file.exists() else ""

    async def tokens(self, *names: str) -> list[str]:
        """Make a token of scope `pos` for each name, while the gateway does not run."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        database = await Database.open(self.state / "gateway.db")
        try:
            table = await TokenTable.open(database, Supervisor(), uptime_s=time.monotonic)
            made = [await table.create(name, "pos") for name in names]
            await table.close()
            return made
        finally:
            await database.close()

    @contextlib.asynccontextmanager
    async def caller(self, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
        """Yield a client of its REST interface: a till with that token, or without one the owner of the machine."""
        timeout = aiohttp.ClientTimeout(total=40)
        if token:
            headers = {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(self.url, headers=headers, timeout=timeout) as session:
                yield session
        else:
            connector = aiohttp.UnixConnector(str(self.state / "gateway.sock"))
            async with aiohttp.ClientSession("http://gateway", connector=connector, timeout=timeout) as session:
                yield session

    async def spawn(self, *wrapper: str) -> None:
        """Begin to start, under another program if one is given."""
        words = ("gateway", "--config", str(self.config), "run")
        with (self.directory / "gateway.log").open("ab") as log:
            if not wrapper:
                self._process = await start_program(*words, environment=self.environment, stdout=log, stderr=log)
                return
            self._process = await asyncio.create_subprocess_exec(
                *(*wrapper, sys.executable, "-m", *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )

    async def start(self, *wrapper: str) -> float:
        """Start and wait until it serves; return how many seconds that took."""
        began = time.monotonic()
        await self.spawn(*wrapper)
        await self.ready()
        return time.monotonic() - began

    async def ready(self) -> None:
        assert self._process is not None
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                assert self._process.returncode is None, f"the gateway ended by itself:\n{self.log[-4000:]}"
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/healthz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End it as a power cut would: without a chance to do anything. It must still be alive."""
        assert self._process is not None
        assert self._process.returncode is None, f"the gateway ended by itself:\n{self.log[-4000:]}"
        self.deaths.append(time.monotonic())
        self._process.kill()
        await self._process.wait()

    async def discard(self) -> None:
        """End it in whatever state it is."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and see that it does so cleanly."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
            assert self._process.returncode == 0, self.log[-4000:]
