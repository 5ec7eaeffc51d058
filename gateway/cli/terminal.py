"""Reading from standard input without keeping Ctrl-C from ending the command."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Final

_MAX_LINE_BYTES: Final = 4096


async def read_line() -> str | None:
    """Read a line from standard input; None if it has ended.

    It is read by a thread that the end of the command does not wait for, so that Ctrl-C ends the command at once.
    """
    loop = asyncio.get_running_loop()
    line: asyncio.Future[bytes] = loop.create_future()

    def set_line(read: bytes) -> None:
        if not line.done():
            line.set_result(read)

    def read() -> None:
        line_so_far = b""
        # Not by sys.stdin, whose lock the interpreter needs when it ends.
        while not line_so_far.endswith(b"\n") and len(line_so_far) < _MAX_LINE_BYTES:
            byte = os.read(sys.stdin.fileno(), 1)
            if not byte:
                break
            line_so_far += byte
        with contextlib.suppress(RuntimeError):  # the command has ended meanwhile
            loop.call_soon_threadsafe(set_line, line_so_far)

    threading.Thread(target=read, daemon=True).start()
    answer = await line
    return answer.decode(errors="replace").rstrip("\r\n") if answer else None


async def read_hidden_line() -> str | None:
    """Read a line from the terminal that is not shown there; None if standard input has ended."""
    with _hide_input():
        return await read_line()


if sys.platform == "win32":
    import ctypes

    @contextlib.contextmanager
    def _hide_input() -> Iterator[None]:
        """Let the console show nothing of what is typed."""
        kernel, echo = ctypes.windll.kernel32, 0x4
        console, mode = kernel.GetStdHandle(-10), ctypes.c_uint32()
        kernel.GetConsoleMode(console, ctypes.byref(mode))
        kernel.SetConsoleMode(console, mode.value & ~echo)
        try:
            yield
        finally:
            kernel.SetConsoleMode(console, mode.value)

else:
    import termios

    @contextlib.contextmanager
    def _hide_input() -> Iterator[None]:
        """Let the terminal show nothing of what is typed."""
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        hidden = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
