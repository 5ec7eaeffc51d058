"""What other libraries log: in one line without a traceback, and once in a while, however often they repeat it."""

import logging
import time
from typing import Final

REPEAT_INTERVAL_S: Final = 3600.0
"""How long the same trouble of a library is not logged again, in seconds."""
_MAX_TROUBLES: Final = 256
"""How many troubles are remembered."""
_OUR_LOGGERS: Final = ("gateway", "asyncio", "root", "py")
"""Loggers of the gateway, and of Python, which reports the gateway's own defects."""
_MAX_MESSAGE_LENGTH: Final = 300


class LibraryRecords:
    """Rewrites the log records of other libraries."""

    def __init__(self) -> None:
        self._logged_at: dict[tuple[str, str], float] = {}

    def rewrite(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """Return a library's record in the gateway's words, or None if that trouble was logged lately.

        Other records, and those below a warning, are returned as they are.
        """
        library = record.name.partition(".")[0]
        if library in _OUR_LOGGERS or record.levelno < logging.WARNING:
            return record
        failure = record.exc_info[1] if record.exc_info else None
        reason = f"{type(failure).__name__}: {failure}" if failure is not None else record.getMessage()
        trouble = (record.name, type(failure).__name__ if failure is not None else str(record.msg))
        now = time.monotonic()
        if now - self._logged_at.get(trouble, -REPEAT_INTERVAL_S) < REPEAT_INTERVAL_S:
            return None
        if len(self._logged_at) >= _MAX_TROUBLES:
            self._logged_at.clear()
        self._logged_at[trouble] = now
        shown = logging.makeLogRecord(record.__dict__)
        shown.msg = "The library %s reports a trouble: %s"
        shown.args = (library, " ".join(reason.split())[:_MAX_MESSAGE_LENGTH])
        shown.exc_info = shown.exc_text = shown.stack_info = None
        return shown
