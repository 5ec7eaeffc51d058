"""The size of a picture, read from the first bytes of its file."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.parameters import FilePart, Parameter, PictureFormat
from gateway.protocol.pictures import read_picture_size
from gateway.protocol.values import InvalidValue

LABEL = Parameter(name="pic", type="file", picture_formats=(PictureFormat("SL121", 212, 104, ("black", "white")),))


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def jpeg(width: int, height: int) -> bytes:
    start = b"\xff\xd8\xff\xe0\x00\x10" + b"JFIF\0" + bytes(9)
    return start + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(10)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(16) + struct.pack("<ii", width, -height)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height)


@pytest.mark.parametrize("make", [png, jpeg, bmp, gif])
def test_the_size_of_a_picture_is_read(make: Any) -> None:
    assert read_picture_size(make(212, 104)) == (212, 104)
    LABEL.check_file(FilePart("label", "image/png", make(212, 104)))
    with pytest.raises(InvalidValue, match=r"^is 104 x 212 pixels, which no label shows \(SL121 212 x 104\)$"):
        LABEL.check_file(FilePart("label", "image/png", make(104, 212)))


def test_a_picture_may_have_the_size_of_any_label() -> None:
    formats = (PictureFormat("SL121", 212, 104, ("black",)), PictureFormat("SL142", 400, 300, ("black",)))
    labels = Parameter(name="pic", type="file", picture_formats=formats)
    for size in ((212, 104), (400, 300)):
        labels.check_file(FilePart("label", "image/png", png(*size)))
    with pytest.raises(InvalidValue, match=r"\(SL121 212 x 104, SL142 400 x 300\)$"):
        labels.check_file(FilePart("label", "image/png", png(212, 300)))


def test_a_file_may_hold_anything_where_no_pictures_are_declared() -> None:
    Parameter(name="file", type="file").check_file(FilePart("a", "text/plain", b"x"))


@pytest.mark.parametrize(
    "data",
    [b"x", b"<svg/>", png(1, 1)[:-1], jpeg(1, 1)[:9], b"\xff\xd8", b"\xff\xd8" + b"\xff\xe0\xff\xff" * 3, b"GIF89a"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert read_picture_size(data) is None
    with pytest.raises(InvalidValue, match=r"^is not a PNG, JPEG, GIF or BMP picture$"):
        LABEL.check_file(FilePart("label", "image/png", data))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^is empty$"):
        LABEL.check_file(FilePart("a", "image/png", b""))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_picture_or_none(data: bytes) -> None:
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"BM", b"\xff\xd8\xff"):
        size = read_picture_size(head + data)
        assert size is None or len(size) == 2
