"""Forms with files: what senders in the field make is read, and whatever else comes has a reason, never a traceback."""

import contextlib

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.multipart import MAX_PARTS, FormPart, parse_multipart

KIND = "multipart/form-data; boundary=x"


def part(head: str | bytes, data: bytes = b"data") -> bytes:
    raw = head if isinstance(head, bytes) else head.encode()
    return b"--x\r\n" + raw + b"\r\n\r\n" + data + b"\r\n"


def parse(*parts: bytes, kind: str = KIND) -> list[FormPart]:
    return parse_multipart(b"".join(parts) + b"--x--\r\n", kind)


def test_what_curl_sends_is_read() -> None:
    picture = bytes(range(256)) + b"\r\n--y\r\n\r\n"
    read = parse(
        part('Content-Disposition: form-data; name="group_id"', b"7"),
        part(
            'Content-Disposition: form-data; name="pic"; filename="a \\"b\\".png"\r\nContent-Type: image/png', picture
        ),
    )
    assert read == [FormPart("group_id", None, "", b"7"), FormPart("pic", 'a "b".png', "image/png", picture)]


@pytest.mark.parametrize(
    ("head", "name", "filename"),
    [
        ('content-disposition: form-data; name="名前"', "名前", None),
        ("Content-Disposition:form-data;name=a;filename=b.png", "a", "b.png"),
        ("Content-Disposition: form-data; name=a; filename*=UTF-8''%E5%90%8D.png", "a", "名.png"),
        ('Content-Disposition: form-data; name="_charset_"', "_charset_", None),
    ],
)
def test_names_are_utf_8(head: str, name: str, filename: str | None) -> None:
    assert parse(part(head)) == [FormPart(name, filename, "", b"data")]


def test_the_boundary_may_be_quoted_and_text_around_the_parts_is_ignored() -> None:
    body = b"preamble\r\n--a b\r\nContent-Disposition: form-data; name=n\r\n\r\n\r\n--a b-- \r\nepilogue"
    assert parse_multipart(body, 'multipart/form-data; charset=utf-8; boundary="a b"') == [FormPart("n", None, "", b"")]


async def test_what_aiohttp_sends_is_read() -> None:
    form = aiohttp.FormData()
    form.add_field("name", "Mike 名")
    form.add_field("pic", b"\x00\r\n", filename="名.png", content_type="image/png")
    payload = form()
    body = await payload.as_bytes()
    name, picture = parse_multipart(body, payload.content_type)
    assert (name.name, name.data.decode()) == ("name", "Mike 名")
    assert (picture.name, picture.content_type, picture.data) == ("pic", "image/png", b"\x00\r\n")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", KIND),
        (b"--x", KIND),
        (b"--x\r\n\r\n", KIND),
        (part("Content-Disposition: form-data; name=a"), KIND),
        (part("Content-Disposition: form-data") + b"--x--", KIND),
        (part("Content-Disposition: attachment; name=a") + b"--x--", KIND),
        (part(b'Content-Disposition: form-data; name="\xff"') + b"--x--", KIND),
        (part("Content-Disposition: form-data; name*=latin-1''%FF") + b"--x--", KIND),
        (part("Content-Disposition: form-data; name*=UTF-8''%FF") + b"--x--", KIND),
        (part("no header") + b"--x--", KIND),
        (part("Content-Disposition: form-data; name=a\r\nX: " + "y" * 9000) + b"--x--", KIND),
        (part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64") + b"--x--", KIND),
        (b"--xy\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--x--", KIND),
        (part("Content-Disposition: form-data; name=a") * (MAX_PARTS + 1) + b"--x--", KIND),
        (b"--x--", "multipart/form-data"),
        (b"--x--", "multipart/form-data; boundary="),
        (b"--x--", 'multipart/form-data; boundary="é"'),
        (b"--x--", f"multipart/form-data; boundary={'x' * 71}"),
    ],
)
def test_what_is_no_form_has_a_reason(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_multipart(body, kind)


def test_an_empty_form_has_no_parts() -> None:
    assert parse() == []


PIECES = [
    b"--x",
    b"\r\n",
    b"--",
    b"Content-Disposition: form-data; name=",
    b'"',
    b"\xff",
    b"a",
    b";",
    b"*=",
    b"''",
    b"%",
]


@given(st.lists(st.sampled_from([*PIECES, b"%", b":", b"\x00", b"filename"]), max_size=30))
def test_any_body_is_read_or_refused(pieces: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        parse_multipart(b"".join(pieces), KIND)
