"""What other libraries log is written in one line, and once in a while."""

import io
import logging
from collections.abc import Iterator

import pytest

from gateway.runtime.logs.handlers import LogfmtHandler
from gateway.runtime.redaction import Redactor


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Collect what is logged."""
    stream = io.StringIO()
    handler = LogfmtHandler(Redactor(), stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def fail(logger: str, text: str) -> None:
    try:
        raise OSError(99, text)
    except OSError:
        logging.getLogger(logger).warning("Error with socket %s", 12, exc_info=True)


def test_a_librarys_traceback_is_one_line_in_our_words(written: io.StringIO) -> None:
    for _ in range(3):
        fail("zeroconf", "Cannot assign requested address")
    [line] = written.getvalue().splitlines()
    assert "The library zeroconf reports a trouble: OSError: [Errno 99] Cannot assign requested address" in line
    logging.getLogger("zeroconf").warning("another trouble")
    assert "reports a trouble: another trouble" in written.getvalue().splitlines()[-1]


@pytest.mark.parametrize("logger", ["gateway.cameras", "asyncio"])
def test_our_own_defects_keep_their_traceback(written: io.StringIO, logger: str) -> None:
    fail(logger, "a defect")
    fail(logger, "a defect")
    assert written.getvalue().count("Traceback") == 2
