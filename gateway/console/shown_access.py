"""What pages of who has access show: sessions, tokens, and a new pairing code. A head office has such a page, too."""

from collections.abc import Sequence
from typing import NamedTuple, Self


class ShownAccess(NamedTuple):
    """A session or a token as a page shows it."""

    name: str
    """Its name."""
    scopes: Sequence[str]
    """What its holder may do."""
    is_own: bool
    """Whether it is the session that looks at the page."""
    created_at: str
    """When it was made, in UTC."""
    last_used_at: str
    """When it was used last, in UTC; empty before its first use."""


class GivenAccess(NamedTuple):
    """What the form of a new session or token is filled in with."""

    name: str
    """The name."""
    scopes: Sequence[str]
    """What its holder may do."""


class ShownCode(NamedTuple):
    """A new pairing code as a page shows it."""

    text: str
    """The code in two halves, which people read more easily."""
    qr: str
    """A picture of the address with the code, as a data URI."""
    urls: Sequence[str]
    """Where it can be typed."""

    @classmethod
    def draw(cls, text: str, address: str, urls: Sequence[str]) -> Self:
        """Return a code with the picture of the address that opens a session."""
        import segno  # here, since it takes memory and is rarely needed

        picture = segno.make(address, error="m", micro=False)
        return cls(text, picture.svg_data_uri(scale=5, border=4, light="white"), urls)
