"""Commands in processes that are forked from one that has imported the gateway: that takes most of a command's time.

They are processes like others, with arguments, environment, folder, streams and exit status of their own.
"""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import gateway.cli

_CONTEXT = multiprocessing.get_context("forkserver")
_COMMANDS = [f"gateway.cli.{file.stem}" for file in Path(gateway.cli.__file__).parent.glob("[a-z]*.py")]
_CONTEXT.set_forkserver_preload(["gateway.api.server", *_COMMANDS])


class _Descriptor:
    """An open file, which is passed on to the process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _receive, (DupFd(self.number),)


def _receive(passed: Any) -> _Descriptor:
    return _Descriptor(passed.detach())


async def fork_command(words: Sequence[str], environment: Mapping[str, str], *streams: int) -> int:
    """Run a command with these standard streams to its end, and return its exit status."""
    passed = [_Descriptor(stream) for stream in streams]
    process = _CONTEXT.Process(target=_run, args=(words, dict(environment), Path.cwd(), passed))
    process.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
        if not ended.is_set():
            process.kill()
        process.join()
        status = process.exitcode
        process.close()
    assert status is not None
    return status


def _run(words: Sequence[str], environment: Mapping[str, str], folder: Path, streams: Sequence[_Descriptor]) -> None:
    """Become the command, in the forked process."""
    for number, stream in enumerate(streams):
        os.dup2(stream.number, number)
        os.close(stream.number)
    sys.stdin = TextIOWrapper(BufferedReader(FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = TextIOWrapper(BufferedWriter(FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = TextIOWrapper(BufferedWriter(FileIO(2, "w", closefd=False)), "utf-8", "backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from gateway.cli.main import main

    main(words)
