"""Programs of hosts that are forked, as `tests.forking` does, and then enter the namespaces of their host."""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.forking import fork_program

_NEW_MOUNTS: Final = 0x00020000
_DETACH: Final = 2
_PRIVATE: Final = 0x00004000 | 0x00040000
"""Of this mount and all below it: what is mounted is seen here only."""


class ForkedProgram:
    """A forked program, with what the lab uses of `subprocess.Popen`; its output is both streams."""

    def __init__(self, first_process: str, network: str, folder: Path, module: str, words: Sequence[str]) -> None:
        ours, theirs = os.pipe()
        self.stdout = os.fdopen(ours, "r", encoding="utf-8")
        entered = (first_process, network)
        with open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), theirs, theirs]
            self._process = fork_program(
                module, words, os.environ, streams, folder, leads=True, enter=(_enter, entered)
            )
        os.close(theirs)
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        status: int | None = self._process.exitcode
        return status

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("a forked program", timeout or 0)
        return status


def _enter(first_process: str, network: str) -> None:
    """Enter the namespaces of a host as `nsenter` and `ip netns exec` do. Returns in a new process."""
    _set_namespaces(*(f"/proc/{first_process}/ns/{kind}" for kind in ("mnt", "pid")))
    _set_namespaces(f"/run/netns/{network}")
    with _checked() as check:
        check(_load_library().unshare(_NEW_MOUNTS))
        check(_load_library().mount(b"", b"/", b"none", _PRIVATE, None))
        check(_load_library().umount2(b"/sys", _DETACH))
        check(_load_library().mount(network.encode(), b"/sys", b"sysfs", 0, None))
    process = os.fork()  # of which the number is one of the namespace
    if process:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _, status = os.waitpid(process, 0)
        os._exit(os.waitstatus_to_exitcode(status) % 256)


@cache
def _load_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _set_namespaces(*paths: str) -> None:
    with contextlib.ExitStack() as opened, _checked() as check:
        for file in [opened.enter_context(open(path, "rb")) for path in paths]:  # the first may hide the others
            check(_load_library().setns(file.fileno(), 0))


@contextlib.contextmanager
def _checked() -> Iterator[Any]:
    def check(status: int) -> None:
        if status:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    yield check
