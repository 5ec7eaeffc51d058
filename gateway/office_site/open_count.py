"""How many of something are open at the same time: each takes room, so more are refused."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from firmware_tools.language import Message
from gateway.errors import Overloaded


class OpenCount:
    """Counts what is open, each kind of it apart."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def take(self, limit: int, refusal: Message, *, retry_after_s: int, kind: str = "") -> Iterator[None]:
        """Count one more of a kind within the block.

        Raises `Overloaded` with the refusal if so many of it are open already.
        """
        if self._open[kind] >= limit:
            raise Overloaded(refusal, retry_after_s=retry_after_s)
        self._open[kind] += 1
        try:
            yield
        finally:
            self._open[kind] -= 1
            self._open += Counter()  # without the kinds of which none is open any more
