"""Reads activation numbers, and other codes, from photographs of QR codes and barcodes.

The picture comes from a browser and is hostile. A child process decodes it, which may take only so much time and
memory. The libraries for that are optional: `pip install sunmi-gateway[photo]`.
"""

import asyncio
import contextlib
import importlib.util
import io
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from firmware_tools.language import Message, message
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.pictures import read_picture_size

MAX_PICTURE_BYTES: Final = 7 * 1024 * 1024
"""A form may have a little more."""
MAX_PIXELS: Final = 60_000_000
"""Phones take pictures of up to 50 million pixels."""
MAX_PNG_PIXELS: Final = 16_000_000
"""A PNG cannot be decoded smaller, as a JPEG is: it takes five bytes of memory for each pixel."""
MAX_WAIT_S: Final = 20.0
"""How long a picture waits for others."""
DECODE_TIMEOUT_S: Final = 20.0
"""How long decoding may take; a small computer needs a few seconds for the largest pictures."""
_MAX_MEMORY_BYTES: Final = 400 * 1024 * 1024
"""Address space of the child: the usual picture of 50 million pixels takes half of that."""
_OOM_SCORE: Final = "1000"
"""Where memory runs out, the child ends first."""
_MAX_SIDE: Final = 2400
"""To how many pixels the longer side is made smaller: codes are still read, and in a fraction of the time."""
_MAX_OUTPUT_BYTES: Final = 64 * 1024
_MAX_CODES: Final = 20
_NUMBER: Final = re.compile(r"[0-9A-Za-z]{8,24}")
"""An activation number (NOTES: Public parameters)."""
_PART: Final = re.compile(r"[0-9A-Za-z]+")

_TOO_SLOW: Final = message("The picture takes too long to read: take it closer and sharper, or type what it shows.")
_UNREADABLE: Final = message("No activation number can be read in the picture: take it closer and sharper, or type it.")


def can_decode() -> bool:
    """Tell whether the optional libraries are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("PIL", "zxingcpp"))


async def read_activation_number(picture: bytes, *, turn: asyncio.Lock, others: Iterable[str] = ()) -> str:
    """Return the activation number that a picture shows.

    `others` are texts that also stand on labels and are none, as the camera's serial number. Raises `InvalidRequest` as
    `read_codes` does, and if the picture has no such code.
    """
    number = choose_number(await read_codes(picture, turn=turn), others)
    if number is None:
        raise _refuse(_UNREADABLE)
    return number


async def read_codes(picture: bytes, *, turn: asyncio.Lock) -> list[str]:
    """Return the texts of all codes that a picture shows.

    Pictures with the same `turn` are decoded one after the other, since each takes much memory. Raises `InvalidRequest`
    with the field `photo` if the picture is too large, or takes too long.
    """
    if len(picture) > MAX_PICTURE_BYTES:
        raise _refuse(message("The picture has more than {size} MB.", size=MAX_PICTURE_BYTES // 1024**2))
    size = read_picture_size(picture)
    if size is None or min(size) < 1:
        raise _refuse(message("This is no JPEG or PNG picture."))
    max_pixels = MAX_PNG_PIXELS if picture.startswith(b"\x89PNG") else MAX_PIXELS
    if size[0] * size[1] > max_pixels:
        raise _refuse(message("The picture has more than {count} million pixels.", count=max_pixels // 10**6))
    if not can_decode():
        raise _refuse(message("This gateway cannot read pictures: type the number."))
    return (await _decode_in_turn(picture, turn)).splitlines()


def _refuse(reason: Message) -> InvalidRequest:
    return InvalidRequest([FieldError("photo", reason)])


def choose_number(codes: Iterable[str], others: Iterable[str] = ()) -> str | None:
    """Return what is most likely the activation number in the texts of codes; None if there is none.

    A code may hold more beside it, as an address does. Digits alone are preferred, then the longest.
    """
    ignored = {text.replace(":", "").casefold() for text in others}
    parts = [part for code in codes for part in _PART.findall(code)]
    found = [part for part in parts if _NUMBER.fullmatch(part) and part.casefold() not in ignored]
    with_digits = [part for part in found if any(character.isdigit() for character in part)]
    return max(with_digits, key=lambda part: (part.isdigit(), len(part)), default=None)


async def _decode_in_turn(picture: bytes, turn: asyncio.Lock) -> str:
    """Return the texts of the codes, one in each line."""
    try:
        async with asyncio.timeout(MAX_WAIT_S):
            await turn.acquire()
    except TimeoutError as exc:
        raise _refuse(message("Other pictures are being read: try again, or type the number.")) from exc
    try:
        return await _decode_in_child(picture)
    finally:
        turn.release()


async def _decode_in_child(picture: bytes) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        # The package's launcher adds its folders to the path.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        async with asyncio.timeout(DECODE_TIMEOUT_S):
            output, _ = await process.communicate(picture)
    except TimeoutError as exc:
        raise _refuse(_TOO_SLOW) from exc
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return output[:_MAX_OUTPUT_BYTES].decode("utf-8", "replace")


def decode(picture: bytes) -> list[str]:
    """Return the texts of the QR codes and barcodes of a picture. Raises whatever a damaged picture makes of it."""
    import zxingcpp
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as image:
        image.draft("L", (_MAX_SIDE, _MAX_SIDE))  # a JPEG is decoded smaller at once
        grey = image.convert("L")
    grey.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return [code.text for code in zxingcpp.read_barcodes(grey)[:_MAX_CODES]]


def _limit_memory() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))


def main() -> None:
    """Read a picture from standard input, and write the texts of its codes, one in each line."""
    _limit_memory()
    codes = decode(sys.stdin.buffer.read(MAX_PICTURE_BYTES + 1))
    sys.stdout.buffer.write("\n".join(" ".join(code.split()) for code in codes).encode())


if __name__ == "__main__":
    main()
