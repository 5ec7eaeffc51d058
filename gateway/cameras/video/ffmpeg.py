"""A child ffmpeg, which reads what a camera sends and can be lost without harm.

It runs with forced formats and protocols, without a shell, with an empty environment, at low priority, with bounds for
its memory, and as the first process that the kernel ends when memory is short. Crashes and hangs stay outside.
"""

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import Conflict, Overloaded

MAX_MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Address space of a child, most of which is libraries that are never touched."""
MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024
"""What a child may write before it is read; then it is ended."""
MAX_UNWRITTEN_BYTES: Final = 4 * 1024 * 1024
"""What may wait until a child reads it."""
_MAX_STDERR_BYTES: Final = 4096
_NICENESS: Final = 5
_OOM_SCORE: Final = 900
_MAX_FILES: Final = 64
_EXIT_TIMEOUT_S: Final = 2.0
_KILL_TIMEOUT_S: Final = 5.0
_RETRY_AFTER_S: Final = 10

_UNSUPPORTED_CODEC: Final = re.compile(r"Could not find tag for codec (\w{1,20}) ")

_COMMON: Final = ("-nostdin", "-hide_banner", "-loglevel", "error")
_ENVIRONMENT: Final[Mapping[str, str]] = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
_FAST_START: Final = ("-analyzeduration", "500000", "-fpsprobesize", "0")
"""Half a second of the stream is enough to know a picture. Without it, the first one comes two seconds late."""
_NO_ANALYSIS: Final = ("-analyzeduration", "0", "-probesize", "32", "-fpsprobesize", "0")
"""The description of an RTSP stream says what a decoder needs, and else its first key frame does."""
SMALL_WIDTH: Final = 960
"""The width of small pictures, in pixels."""
_SHRINKING: Final = ("-vf", f"scale='min({SMALL_WIDTH},iw)':-2")


class PictureOutput(NamedTuple):
    """What a child makes of the picture that it reads."""

    decoding: tuple[str, ...]
    """The arguments that say how it is decoded, if it is."""
    writing: tuple[str, ...]
    """The arguments that say what is written to standard output."""


FRAGMENTS: Final = PictureOutput(
    (),
    ("-map", "0:v:0", "-an", "-sn", "-dn", "-c:v", "copy",
     "-movflags", "empty_moov+default_base_moof+frag_every_frame", "-flush_packets", "1", "-f", "mp4", "pipe:1"),
)  # fmt: skip
"""Copies it as fragmented MP4."""


def _make_jpeg(quality: int, *filters: str) -> PictureOutput:
    # A picture that begins between two key frames would be grey, and one that waits for a reordering would be late.
    decoding = ("-threads", "1", "-skip_frame", "nokey", "-flags", "low_delay")
    encoding = ("-c:v", "mjpeg", "-q:v", str(quality), "-threads", "1", "-f", "image2pipe", "pipe:1")
    return PictureOutput(decoding, ("-map", "0:v:0", "-frames:v", "1", *filters, *encoding))


JPEG: Final = _make_jpeg(4)
"""Makes a JPEG of the first key frame."""
SMALL_JPEG: Final = _make_jpeg(5, *_SHRINKING)
"""Makes a small JPEG of the first key frame, to be kept."""


def rtsp_arguments(url: str, output: PictureOutput = FRAGMENTS) -> tuple[str, ...]:
    """Return the arguments that read an RTSP stream."""
    source = ("-protocol_whitelist", "tcp,rtp", "-f", "rtsp", "-rtsp_transport", "tcp", "-allowed_media_types", "video")
    analysis = _FAST_START if output is FRAGMENTS else _NO_ANALYSIS
    return (*_COMMON, *source, *analysis, *output.decoding, "-i", url, *output.writing)


def flv_arguments(output: PictureOutput = FRAGMENTS, *, real_time: bool) -> tuple[str, ...]:
    """Return the arguments that read an FLV stream from standard input, perhaps at its own pace."""
    source = ("-protocol_whitelist", "pipe", "-f", "flv", *_FAST_START, *(("-re",) if real_time else ()))
    return (*_COMMON, *source, *output.decoding, "-i", "pipe:0", *output.writing)


def key_frame_arguments(output: PictureOutput) -> tuple[str, ...]:
    """Return the arguments that read a key frame, with its initialisation segment, from standard input."""
    return (*_COMMON, "-protocol_whitelist", "pipe", "-f", "mp4", *output.decoding, "-i", "pipe:0", *output.writing)


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg; None if it is not installed."""
    return shutil.which("ffmpeg")


def require_ffmpeg() -> str:
    """Return the path of ffmpeg. Raises `Conflict`, which says what to install."""
    found = find_ffmpeg()
    if found is None:
        raise Conflict(message("ffmpeg is not installed, which the cameras' pictures need: apt install ffmpeg"))
    return found


class FfmpegProcess(asyncio.SubprocessProtocol):
    """A running ffmpeg; `run_ffmpeg` makes it."""

    def __init__(self) -> None:
        self.pid = 0
        """The process id."""
        self._output = bytearray()
        self._errors = bytearray()
        self._transport: asyncio.SubprocessTransport | None = None
        self._changed = asyncio.Event()
        self._output_ended = False
        self._exited = asyncio.Event()

    @property
    def message(self) -> str:
        """What ffmpeg wrote last about a failure, or the codec that it cannot copy; empty if it wrote nothing."""
        text = self._errors.decode(errors="replace")
        codec = _UNSUPPORTED_CODEC.search(text)
        if codec is not None:
            return message("the codec is {codec}, which browsers do not show", codec=codec[1].upper())
        lines = [line for line in text.splitlines() if line.strip()]
        return "".join(character for character in lines[-1] if character.isprintable())[:300] if lines else ""

    async def read(self) -> bytes:
        """Return the next output, or nothing at its end."""
        while not self._output and not self._output_ended:
            self._changed.clear()
            await self._changed.wait()
        output = bytes(self._output)
        self._output.clear()
        return output

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole output, of which more than `max_bytes` bytes are nothing."""
        whole = b""
        while part := await self.read():
            whole += part
            if len(whole) > max_bytes:
                return b""
        return whole

    def write(self, data: bytes) -> bool:
        """Write to standard input. Return whether ffmpeg takes it: false if it does not read any more."""
        pipe = None if self._transport is None else self._transport.get_pipe_transport(0)
        if not isinstance(pipe, asyncio.WriteTransport) or pipe.is_closing():
            return False
        pipe.write(data)
        return pipe.get_write_buffer_size() <= MAX_UNWRITTEN_BYTES

    def end_input(self) -> None:
        """Close standard input."""
        pipe = None if self._transport is None else self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()

    async def kill(self) -> None:
        """End it at once, also one that is stopped, and wait until it is gone."""
        if self._transport is None:
            return
        if self._output_ended:
            # It ends by itself. A signal would make `subprocess` reap it, and asyncio miss its end.
            await self._wait_for_exit(_EXIT_TIMEOUT_S)
        if not self._exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await self._wait_for_exit(_KILL_TIMEOUT_S)
        self._transport.close()

    async def _wait_for_exit(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._exited.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the child, and bound what it may use."""
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - so asyncio promises
        self._transport = transport
        self.pid = transport.get_pid()
        _limit(self.pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take output, and the beginning of what it writes about failures."""
        if fd == 1:
            self._output += data
            if len(self._output) > MAX_UNREAD_BYTES and self._transport is not None:
                self._transport.kill()
            self._changed.set()
        elif len(self._errors) < _MAX_STDERR_BYTES:
            self._errors += data[: _MAX_STDERR_BYTES - len(self._errors)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note the end of the output."""
        if fd == 1:
            self._output_ended = True
            self._changed.set()

    def process_exited(self) -> None:
        """Note that the process is gone."""
        self._exited.set()


@contextlib.asynccontextmanager
async def run_ffmpeg(arguments: Sequence[str]) -> AsyncIterator[FfmpegProcess]:
    """Run ffmpeg for the time of the block.

    Raises `Conflict` if it is not installed, and `Overloaded` if it cannot be started.
    """
    program = require_ffmpeg()
    loop = asyncio.get_running_loop()
    try:
        _, process = await loop.subprocess_exec(FfmpegProcess, program, *arguments, env=_ENVIRONMENT, cwd="/")
    except OSError as exc:
        reason = message("ffmpeg cannot be started: {reason}", reason=exc)
        raise Overloaded(reason, retry_after_s=_RETRY_AFTER_S) from exc
    try:
        yield process
    finally:
        await asyncio.shield(process.kill())


def _limit(pid: int) -> None:
    """Bound what a child may use, and let the kernel end it before the gateway. What cannot be had is left out."""
    if sys.platform != "linux":
        return
    import resource

    limits = {
        resource.RLIMIT_AS: MAX_MEMORY_BYTES,
        resource.RLIMIT_NOFILE: _MAX_FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, limit, (value, value))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE))
