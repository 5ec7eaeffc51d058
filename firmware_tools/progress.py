"""Reporting how many bytes of a long operation are done."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class ProgressReporter(Protocol):
    """Reports the progress of one phase at a time."""

    def phase(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a phase of `total` bytes; the context's value is called with the bytes done since the last call."""


class NullProgress:
    """Reports nothing."""

    @contextmanager
    def phase(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Ignore the progress of a phase."""
        yield lambda _: None
