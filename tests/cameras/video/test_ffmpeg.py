"""The child: its output, its end, and what it says of a failure."""

import logging

import pytest

from gateway.cameras.video.ffmpeg import run_ffmpeg


async def test_many_that_end_by_themselves_are_all_noticed(ffmpeg: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        for _ in range(20):
            async with run_ffmpeg(["-hide_banner", "-version"]) as process:
                assert (await process.read_all(65536)).startswith(b"ffmpeg version")
    assert caplog.messages == []


async def test_too_much_output_is_none(ffmpeg: str) -> None:
    async with run_ffmpeg(["-hide_banner", "-version"]) as process:
        assert await process.read_all(10) == b""


async def test_the_last_line_says_what_failed(ffmpeg: str) -> None:
    words = ["-nostdin", "-loglevel", "error", "-protocol_whitelist", "pipe", "-i", "/etc/passwd", "-f", "null", "-"]
    async with run_ffmpeg(words) as process:
        assert await process.read() == b""
        await process.kill()
        assert "/etc/passwd" in process.message
