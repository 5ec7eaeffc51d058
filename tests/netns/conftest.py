"""The lab as a fixture: one for each test, skipped with the reason where there can be none."""

from collections.abc import Iterator

import pytest

from tests.netns.lab import Lab, why_not


@pytest.fixture
def lab() -> Iterator[Lab]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Lab() as made:
        yield made
