"""One test for many values: each test costs all workers milliseconds, and thousands of them cost minutes."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TypeVar

Value = TypeVar("Value")


def for_each(
    values: Iterable[Value], *, name: Callable[[Value], object] = str
) -> Callable[[Callable[[Value], None]], Callable[[], None]]:
    """Make a test of a function that is called with each value. It tells every value for which the function fails."""
    given = list(values)

    def decorate(function: Callable[[Value], None]) -> Callable[[], None]:
        @wraps(function)
        def test() -> None:
            assert given
            failures = []
            for value in given:
                try:
                    function(value)
                except Exception as exc:
                    exc.add_note(f"It failed for {name(value)}.")
                    failures.append(exc)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(given)} failed", failures)

        del test.__dict__["__wrapped__"]  # pytest would take the value for a fixture
        return test

    return decorate
