"""Logs: a line of fields for each thing that happened, without secrets, with the request that caused it.

Under systemd the fields go to the journal as such; elsewhere they are written to standard error as `key=value`.
"""

import logging
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Literal, get_args

from gateway.runtime.logs.handlers import JournalHandler, LogfmtHandler, is_journal
from gateway.runtime.logs.request import REQUEST_ID, begin_request
from gateway.runtime.redaction import Redactor

__all__ = ["LEVELS", "REQUEST_ID", "Level", "begin_request", "hide", "set_up"]

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_secrets: Final = Redactor()


def configure(level: Level) -> None:
    """Log from now on what is at least as grave as `level`; of other libraries at least `info`.

    To the journal where standard error leads there, else to standard error.
    """
    handler = JournalHandler(_secrets) if is_journal(sys.stderr) else LogfmtHandler(_secrets, sys.stderr)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(threshold, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("gateway").setLevel(threshold)
    logging.captureWarnings(capture=True)
    # It logs a trace for every request that is no HTTP, which anybody on the network can send as often as he likes.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    sys.excepthook = _uncaught


def add_secrets(values: Iterable[str]) -> None:
    """Let these values appear in no log line, whoever writes it and however."""
    _secrets.add_secrets(values)


def _uncaught(kind: type[BaseException], failure: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("gateway").critical("ended by an unexpected failure", exc_info=(kind, failure, trace))
