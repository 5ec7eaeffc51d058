"""The command line as a person runs it: real processes, in a simulated store."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.simulator.store import SimulatedStore
from tests.forking import Program, start_program


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """Return the one JSON document on standard output."""
        return json.loads(self.output)


class Commands:
    """Runs `sunmi-gateway` with one settings file."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.stdin: int = asyncio.subprocess.DEVNULL

    async def __call__(self, *words: str, **environment: str) -> Done:
        """Run a command to its end."""
        process = await self.begin(*words, **environment)
        try:
            output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Done(process.returncode, output.decode(), errors.decode())

    async def begin(self, *words: str, **environment: str) -> Program:
        return await start_program(
            "gateway", "--config", str(self.config), *words, environment=environment, stdin=self.stdin
        )


async def until_response(command: Commands, path: str, condition: Callable[[Any], bool]) -> None:
    """Wait until the running gateway's response fits; asked through its socket, since to start a command takes long."""
    connector = aiohttp.UnixConnector(str(command.config.parent / "state" / "gateway.sock"))
    async with aiohttp.ClientSession("http://gateway", connector=connector) as session:
        while True:
            async with session.get(path) as response:
                if condition(await response.json()):
                    return
            await asyncio.sleep(0.02)


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=2) as simulated:
        yield simulated


@pytest.fixture
def command(store: SimulatedStore, tmp_path: Path) -> Commands:
    file = tmp_path / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    return Commands(file)


@pytest.fixture
async def running(command: Commands) -> AsyncIterator[str]:
    """Run a gateway as a service would; yield its base URL."""
    process = await command.begin("run")
    assert process.stderr is not None
    line = (await process.stderr.readline()).decode()
    assert "serves on" in line, line + (await process.stderr.read()).decode()
    yield line.split()[-1]
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
