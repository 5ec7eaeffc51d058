import asyncio
import io
import zlib

import pytest
import segno

from gateway.console import activation_code
from gateway.console.activation_code import MAX_PICTURE_BYTES, choose_number, read_activation_number
from gateway.errors import InvalidRequest

NUMBER = "800000000000000000000002"


def make_code(text: str) -> bytes:
    file = io.BytesIO()
    segno.make(text).save(file, kind="png", scale=6)
    return file.getvalue()


def make_png_header(width: int, height: int) -> bytes:
    content = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x00\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + content + zlib.crc32(content).to_bytes(4)


@pytest.mark.parametrize("text", [NUMBER, f"https://example.com/a?sn=SS101D8BS00002&code={NUMBER}"])
async def test_the_number_is_read(text: str) -> None:
    assert await read_activation_number(make_code(text), turn=asyncio.Lock(), others=["SS101D8BS00002"]) == NUMBER


def test_what_else_stands_on_labels_is_no_number() -> None:
    others = ["SS101D8BS00002", "04:12:24:E3:00:02"]
    assert choose_number(["SS101D8BS00002", "041224E30002", NUMBER], others) == NUMBER
    assert choose_number(["ss101d8bs00002", "041224e30002"], others) is None
    assert choose_number(["DOWNLOADTHEAPP"], others) is None
    assert choose_number([], others) is None


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"GIF89a\x01\x00",
        b"\xff\xd8\xff\xe0" + 100 * b"x",
        make_png_header(100, 100),
        make_png_header(100_000, 100_000),
        make_png_header(4_100, 4_100),
        make_png_header(0, 10),
        b"\x89PNG\r\n\x1a\n" + MAX_PICTURE_BYTES * b"x",
    ],
    ids=["nothing", "gif", "damaged", "no pixels", "too many pixels", "too many for a PNG", "empty", "too large"],
)
async def test_a_picture_without_a_number_is_refused(picture: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read_activation_number(picture, turn=asyncio.Lock())
    assert refused.value.field_errors[0].parameter == "photo"


async def test_a_picture_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_code, "DECODE_TIMEOUT_S", 0.0)
    with pytest.raises(InvalidRequest):
        await read_activation_number(make_code(NUMBER), turn=asyncio.Lock())


async def test_one_picture_is_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    run = activation_code._decode_in_child

    async def count(picture: bytes) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await run(picture)
        finally:
            running -= 1

    monkeypatch.setattr(activation_code, "_decode_in_child", count)
    turn = asyncio.Lock()
    numbers = await asyncio.gather(*(read_activation_number(make_code(NUMBER), turn=turn) for _ in range(3)))
    assert (most, set(numbers)) == (1, {NUMBER})


async def test_a_picture_waits_for_others_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_code, "MAX_WAIT_S", 0.0)
    turn = asyncio.Lock()
    async with turn:
        with pytest.raises(InvalidRequest, match="Other pictures"):
            await read_activation_number(make_code(NUMBER), turn=turn)
