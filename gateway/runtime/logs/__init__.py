"""Logging: lines of fields, with secrets redacted and with the id of the request that caused them.

Under systemd the fields go to the journal; elsewhere they are written to standard error as `key=value` (logfmt).
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

_redactor: Final = Redactor()


def configure(level: Level) -> None:
    """Log from this level on; other libraries never below `info`.

    Logs to the journal if standard error leads there, else to standard error.
    """
    handler = JournalHandler(_redactor) if is_journal(sys.stderr) else LogfmtHandler(_redactor, sys.stderr)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(threshold, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("gateway").setLevel(threshold)
    logging.captureWarnings(capture=True)
    # It logs a traceback for each request that is not HTTP, and anybody on the network can send those.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").addFilter(_is_news)
    sys.excepthook = _log_uncaught


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what asyncio says at the end of each TLS connection that was made by an upgrade, as nats-py does."""
    return not str(record.msg).startswith("returning true from eof_received()")


def add_secrets(values: Iterable[str]) -> None:
    """Redact these values in every log line from now on."""
    _redactor.add_secrets(values)


def _log_uncaught(kind: type[BaseException], failure: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("gateway").critical("ended by an unexpected failure", exc_info=(kind, failure, trace))
