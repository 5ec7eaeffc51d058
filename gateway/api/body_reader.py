"""Receives request bodies within limits of size, memory and time."""

import asyncio
import zlib
from typing import Final

import aiohttp
from aiohttp import web

from firmware_tools.language import describe_error, message, shorten
from gateway.api.body_budget import BODY_BUDGET
from gateway.errors import FieldError, InvalidRequest, RequestTimeout, TooLarge

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""No body is larger: 1 MB of parameters grows when every character is escaped in JSON."""
MAX_UNCOUNTED_BYTES: Final = 16 * 1024
"""A body up to this size is left out of the budget: the number of connections bounds how many there are."""
MAX_PAUSE_S: Final = 10.0
"""How long a sender may pause within a body."""
MAX_DURATION_S: Final = 60.0
"""How long a body may take as a whole."""

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_LATE: Final = message("the body did not arrive in time; send the request again")


async def read_bytes(
    request: web.Request,
    *,
    max_bytes: int = MAX_BODY_BYTES,
    max_duration_s: float = MAX_DURATION_S,
    is_stranger: bool = False,
) -> bytes:
    """Return the body of a request, without its content encoding (gzip or deflate).

    `is_stranger` counts it among the bodies that come without a token. Raises `InvalidRequest` for a body that is
    broken or cut off, `TooLarge`, `RequestTimeout` and `Overloaded`.
    """
    length = request.content_length
    if request.content.is_eof() and (length is None or length <= MAX_UNCOUNTED_BYTES):
        raw = request.content.read_nowait()  # it has arrived as a whole, as most do
    else:
        raw = await _receive(request, length, max_bytes, max_duration_s, is_stranger)
    encoding = request.headers.get("Content-Encoding")
    if encoding is None:
        return raw
    decoded = _decode(raw, encoding.strip().lower(), max_bytes)
    request.app[BODY_BUDGET].take(request, len(decoded), is_stranger=is_stranger)
    return decoded


async def _receive(
    request: web.Request, length: int | None, max_bytes: int, max_duration_s: float, is_stranger: bool
) -> bytes:
    budget = request.app[BODY_BUDGET]
    if length is not None:
        if length > max_bytes:
            raise _too_large(max_bytes)
        if length > MAX_UNCOUNTED_BYTES:
            budget.take(request, length, is_stranger=is_stranger)
    now = asyncio.get_running_loop().time
    end = now() + max_duration_s
    received = bytearray()
    try:
        async with asyncio.timeout_at(min(end, now() + MAX_PAUSE_S)) as timeout:
            while chunk := await request.content.readany():
                if length is None:
                    budget.take(request, len(chunk), is_stranger=is_stranger)
                received += chunk
                if len(received) > max_bytes:
                    raise _too_large(max_bytes)
                timeout.reschedule(min(end, now() + MAX_PAUSE_S))
    except TimeoutError as exc:
        raise RequestTimeout(_LATE) from exc
    except (web.RequestPayloadError, aiohttp.ClientPayloadError, OSError) as exc:
        raise _cut_off(exc) from exc
    return bytes(received)


class BodyStream:
    """A body without a content encoding, piece by piece: what is too large for memory."""

    def __init__(self, request: web.Request, *, max_bytes: int, max_duration_s: float) -> None:
        """Take the request and the limits of its body. Raises `TooLarge`."""
        if (request.content_length or 0) > max_bytes:
            raise _too_large(max_bytes)
        self._content = request.content
        self._left = self._max_bytes = max_bytes
        self._end = asyncio.get_running_loop().time() + max_duration_s

    async def read(self) -> bytes:
        """Return the next piece; an empty one at the end.

        Raises `InvalidRequest` for a body that is cut off, `TooLarge` and `RequestTimeout`.
        """
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(self._end, now + MAX_PAUSE_S)):
                chunk = await self._content.readany()
        except TimeoutError as exc:
            raise RequestTimeout(_LATE) from exc
        except (web.RequestPayloadError, aiohttp.ClientPayloadError, OSError) as exc:
            raise _cut_off(exc) from exc
        self._left -= len(chunk)
        if self._left < 0:
            raise _too_large(self._max_bytes)
        return chunk


def _cut_off(error: Exception) -> InvalidRequest:
    reason = shorten(describe_error(error), 200) or type(error).__name__
    return InvalidRequest([FieldError("body", message("is broken or cut off: {reason}", reason=reason))])


def _decode(raw: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo a content encoding. Raises `InvalidRequest` and `TooLarge`."""
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise InvalidRequest(
            [
                FieldError(
                    "Content-Encoding",
                    message("{encoding!r} is not known: gzip or deflate, or none", encoding=encoding),
                )
            ]
        )
    try:
        try:
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            decoded = decoder.decompress(raw, max_bytes + 1)
        except zlib.error:
            if encoding != "deflate":
                raise
            decoder = zlib.decompressobj(_RAW_DEFLATE)  # some send it without the frame of RFC 1950
            decoded = decoder.decompress(raw, max_bytes + 1)
    except zlib.error as exc:
        raise InvalidRequest(
            [FieldError("body", message("is no valid {encoding}: {reason}", encoding=encoding, reason=exc))]
        ) from exc
    if len(decoded) > max_bytes:
        raise _too_large(max_bytes)
    if not decoder.eof:
        raise InvalidRequest([FieldError("body", message("is no valid {encoding}: it is cut off", encoding=encoding))])
    return decoded


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(message("the body has more than the {max_bytes} bytes that are accepted", max_bytes=max_bytes))
