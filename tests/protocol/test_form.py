"""Form encoding is what `urllib` makes of the same text."""

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import form

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(_TEXT, _TEXT))
def test_it_encodes_as_urllib_does(fields: dict[str, str]) -> None:
    assert form.encode(fields) == urlencode(fields).encode()


@given(_TEXT)
def test_the_size_is_that_of_the_encoded_text(text: str) -> None:
    assert form.size(text) == len(form.quote(text))


def test_every_byte_that_ends_or_parts_a_field_is_escaped() -> None:
    assert form.quote("%&=+ \r\n\x00\u00e9") == b"%25%26%3D%2B+%0D%0A%00%C3%A9"
