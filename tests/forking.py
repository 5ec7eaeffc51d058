"""Programs in processes that are forked from one that has imported the gateway: that takes most of a program's time.

They are processes like others, with arguments, environment, folder, streams, signals and exit status of their own. In
full proofs, and with settings of the interpreter or the loader, each program gets a new Python.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from gateway.api.route_table import LAZY_MODULES

_INTERPRETER: Final = ("PYTHON", "LD_", "FAKETIME")
"""Beginnings of the names of settings that are read when a program begins."""
_OF_STREAMS: Final = "PYTHONIOENCODING"
_OBEYED: Final = (_OF_STREAMS, "PYTHONPATH")
"""Settings of Python that forked programs obey."""


class ForkedProcess:
    """A forked program, with what tests use of `asyncio.subprocess.Process`."""

    def __init__(self, process: Any, output: int | None, errors: int | None, given: int | None) -> None:
        self.pid: int = process.pid
        self.returncode: int | None = None
        self.stdout = None if output is None else asyncio.StreamReader()
        self.stderr = None if errors is None else asyncio.StreamReader()
        self._pipes = [(self.stdout, output), (self.stderr, errors)]
        self._input = given
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    async def connect(self) -> None:
        """Begin to read what it writes."""
        loop = asyncio.get_running_loop()
        for reader, pipe in self._pipes:
            if reader is not None and pipe is not None:
                protocol = asyncio.StreamReaderProtocol(reader)
                await loop.connect_read_pipe(lambda made=protocol: made, os.fdopen(pipe, "rb", buffering=0))  # type: ignore[misc]

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self, given: bytes | None = None) -> tuple[bytes, bytes]:
        """Write to its standard input, which then ends, and return all that it writes until it ends."""
        if self._input is not None:
            if given:
                with contextlib.suppress(BrokenPipeError):
                    await asyncio.to_thread(os.write, self._input, given)
            os.close(self._input)
            self._input = None
        output = b"" if self.stdout is None else await self.stdout.read()
        errors = b"" if self.stderr is None else await self.stderr.read()
        await self.wait()
        return output, errors

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self.returncode = self._process.exitcode
        self._process.close()
        self._ended.set()


Program: TypeAlias = asyncio.subprocess.Process | ForkedProcess


def needs_python(environment: Mapping[str, str]) -> bool:
    """Tell whether a program needs a Python of its own, with these variables added to the environment."""
    if os.environ.get("FULL_PROOFS") == "1" or sys.platform == "win32":
        return True
    return any(name.startswith(_INTERPRETER) and name not in _OBEYED for name in environment)


async def start_program(
    module: str,
    *words: str,
    environment: Mapping[str, str] | None = None,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    new_session: bool = False,
) -> Program:
    """Start a module as a program; `environment` is added to that of this process."""
    given = os.environ | (environment or {})
    if needs_python(environment or {}):
        command = (sys.executable, "-m", module, *words)
        streams: Any = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        return await asyncio.create_subprocess_exec(*command, env=given, start_new_session=new_session, **streams)
    ours: list[int | None] = []
    theirs: list[int] = []
    with contextlib.ExitStack() as opened:
        for place, stream in enumerate((stdin, stdout, stderr)):
            if stream == subprocess.PIPE:
                pair = os.pipe()
                theirs.append(pair[min(place, 1)])
                ours.append(pair[1 - min(place, 1)])
                opened.callback(os.close, theirs[-1])
            elif stream == subprocess.DEVNULL:
                theirs.append(os.open(os.devnull, os.O_RDWR))
                ours.append(None)
                opened.callback(os.close, theirs[-1])
            else:
                theirs.append(stream if isinstance(stream, int) else stream.fileno())
                ours.append(None)
        process = ForkedProcess(
            fork_program(module, words, given, theirs, Path.cwd(), leads=new_session), ours[1], ours[2], ours[0]
        )
    await process.connect()
    return process


def run_program(
    module: str, *words: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a module as a program to its end, with nothing on its standard input; fail the test if it needs longer."""
    given = os.environ | (environment or {})
    command = (sys.executable, "-m", module, *words)
    if needs_python(environment or {}):
        return subprocess.run(
            command, cwd=folder, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    with (
        open(os.devnull, "rb") as nothing,
        contextlib.ExitStack() as opened,
    ):
        output, errors = (os.memfd_create(name) for name in ("output", "errors"))
        files = [opened.enter_context(os.fdopen(number, "r+b")) for number in (output, errors)]
        process = fork_program(module, words, given, [nothing.fileno(), output, errors], folder or Path.cwd())
        process.join()
        status = process.exitcode
        process.close()
        shown = []
        for file in files:
            file.seek(0)
            shown.append(file.read().decode())
    return subprocess.CompletedProcess(command, status, *shown)


class _Descriptor:
    """An open file, which is passed on to the process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _receive, (DupFd(self.number),)


def _receive(passed: Any) -> _Descriptor:
    return _Descriptor(passed.detach())


def fork_program(
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    streams: Sequence[int],
    folder: Path,
    *,
    leads: bool = False,
    enter: tuple[Callable[..., None], Sequence[str]] | None = None,
) -> Any:
    """Start a module as a program and return its `multiprocessing.Process`.

    It has these standard streams, leads a session of its own if it `leads`, and calls `enter` before it begins.
    """
    passed = [_Descriptor(stream) for stream in streams]
    arguments = (module, words, dict(environment), folder, passed, leads, enter)
    process = _prepare().Process(target=_run, args=arguments, daemon=True)
    process.start()
    return process


@cache
def _prepare() -> Any:
    """Return what starts processes; the server that forks imports what programs need."""
    context = multiprocessing.get_context("forkserver")
    root = Path(__file__).parents[1]
    routes = [f"gateway.api.{module}" for module in LAZY_MODULES]
    commands = [f"gateway.cli.{file.stem}" for file in (root / "gateway" / "cli").glob("[a-z]*.py")]
    commands.remove("gateway.cli.simulate")  # reads the environment when it is imported
    others = ("gateway.console.site", "firmware_tools.cli", "zeroconf.asyncio")
    context.set_forkserver_preload(["gateway.api.server", *routes, *commands, *others, "tests.forking"])
    return context


def _run(
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    streams: Sequence[_Descriptor],
    leads: bool,
    enter: tuple[Callable[..., None], Sequence[str]] | None,
) -> None:
    """Become the program, in the forked process."""
    if leads:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.number, number)
        os.close(stream.number)
    if enter is not None:
        enter[0](*enter[1])
    encoding, _, errors = environment.get(_OF_STREAMS, "").partition(":")
    named, strictness = encoding or "utf-8", errors or "strict"
    sys.stdin = os.fdopen(0, "r", encoding=named, errors=strictness, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=named, errors=strictness, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding=named, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if multiprocessing.current_process().name == "MainProcess" and "pytest" not in sys.modules:
    gc.freeze()  # in the server that forks, which leaves what it has imported alone
