"""How far something is: the seam between work and whoever shows its progress."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Shows one phase of work at a time."""

    def phase(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a phase of `total` bytes; call what is given with the number of bytes done since the last call."""


class Unseen:
    """Progress that nobody looks at."""

    @contextmanager
    def phase(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show nothing."""
        yield lambda _: None
