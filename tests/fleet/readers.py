"""Other systems of a chain: the examples, as processes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.office.readers import add_reader
from gateway.storage.private_file import write_private
from tests.fleet.cluster import HeadOffice

EXAMPLES: Final = Path(__file__).parents[2] / "gateway" / "fleet" / "examples"


@dataclass
class ReaderProcess:
    """An example, as a process."""

    command: Sequence[str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def output(self) -> str:
        """What it has written to the end of a line, in all its lives."""
        text = self.log.read_text() if self.log.exists() else ""
        return text[: text.rfind("\n") + 1]

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*self.command, stdout=log, stderr=log)

    async def kill(self) -> None:
        assert self.process is not None
        assert self.process.returncode is None, self.output
        self.process.kill()
        await self.process.wait()

    async def discard(self) -> None:
        """End it in whatever state it is."""
        if self.process is not None and self.process.returncode is None:
            await self.kill()


async def write_reader_files(office: HeadOffice, name: str, folder: Path, *, mqtt: bool = False) -> Path:
    """Let a system read, and write its files to a folder."""
    async with office.connect() as connected:
        files = await add_reader(connected, name, mqtt=mqtt)
    for file, content in files.items():
        write_private(folder / file, content)
    return folder
