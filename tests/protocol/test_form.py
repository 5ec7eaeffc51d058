"""Form encoding, against the standard library's."""

from urllib.parse import quote_plus, urlencode

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import form


@given(st.text() | st.text(st.characters(codec="ascii")))
def test_a_form_is_encoded_as_the_standard_library_does(text: str) -> None:
    assert form.encode({text: text, "name": text}) == urlencode({text: text, "name": text}).encode()


@given(st.text() | st.text(st.characters(codec="ascii")))
def test_the_length_is_known_without_encoding(text: str) -> None:
    assert form.encoded_length(text.encode()) == len(quote_plus(text))


def test_every_byte_that_ends_or_parts_a_field_is_escaped() -> None:
    assert form.encode({"a": "%&=+ \r\n\x00\u00e9"}) == b"a=%25%26%3D%2B+%0D%0A%00%C3%A9"
