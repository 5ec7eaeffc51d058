"""Handlers that write redacted log lines: to systemd's journal as fields, or to a stream as `key=value` (logfmt)."""

import logging
import os
import re
import socket
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from gateway.runtime.logs.libraries import LibraryRecords
from gateway.runtime.logs.request import REQUEST_ID
from gateway.runtime.redaction import Redactor

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"

_PLAIN: Final = re.compile(r"[^\s\"=\\]+")
_MAX_FIELD_LENGTH: Final = 16_384
"""Longer fields are cut, since a datagram has to hold the whole line."""
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def is_journal(stream: TextIO) -> bool:
    """Tell whether a stream leads to systemd's journal (systemd.exec(5), `$JOURNAL_STREAM`)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _RedactingHandler(logging.Handler):
    """Makes redacted fields of a record. Handlers write nothing else."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._library_records = LibraryRecords()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record; that of another library in the gateway's own words."""
        rewritten = self._library_records.rewrite(record)
        return bool(super().handle(rewritten)) if rewritten is not None else False

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """Return the record's message, its fields, and the traceback of its exception."""
        try:
            message = record.getMessage()
        except Exception as exc:
            message = f"{record.msg!r} cannot be formatted: {type(exc).__name__}"
        given: Mapping[str, Any] = getattr(record, "fields", {})
        found: dict[str, Any] = {"message": message, "request_id": REQUEST_ID.get(), **given}
        if record.exc_info and record.exc_info[0] is not None:
            found["trace"] = logging.Formatter().formatException(record.exc_info)
        texts = {name: self._redactor.redact(str(value)) for name, value in found.items() if value not in ("", None)}
        return {name: text[:_MAX_FIELD_LENGTH] for name, text in texts.items()}


class LogfmtHandler(_RedactingHandler):
    """Writes lines such as `time=… level=warning logger=gateway.app message="…"`. A traceback follows, indented."""

    def __init__(self, redactor: Redactor, stream: TextIO) -> None:
        super().__init__(redactor)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            fields = self.fields(record)
            trace = fields.pop("trace", "")
            time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            start = {"time": time.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
            line = " ".join(f"{name}={_quote(text)}" for name, text in (start | fields).items())
            indented = "".join(f"\n    {_escape(one)}" for one in trace.splitlines())
            self._stream.write(f"{line}{indented}\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Do nothing: `logging` would print the record with its secrets."""


class JournalHandler(_RedactingHandler):
    """Sends datagrams of fields to systemd's journal (the "Native Journal Protocol").

    It never waits for the journal. Lines that cannot be sent are counted, and the next line tells how many.
    """

    def __init__(self, redactor: Redactor, path: str = JOURNAL_SOCKET) -> None:
        super().__init__(redactor)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send a datagram."""
        fields = self.fields(record)
        fields["message"] += f"\n{fields['trace']}" if "trace" in fields else ""
        fields |= {
            "priority": str(_PRIORITIES.get(record.levelno, 6)),
            "syslog_identifier": "sunmi-gateway",
            "logger": record.name,
            "code_file": record.pathname,
            "code_line": str(record.lineno),
            "code_func": record.funcName or "",
        }
        if self._lost:
            fields["lines_lost_before"] = str(self._lost)
        try:
            self._socket.sendto(
                b"".join(_encode_field(name.upper(), text) for name, text in fields.items()), self._path
            )
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _encode_field(name: str, text: str) -> bytes:
    value = text.encode("utf-8", "backslashreplace")
    if b"\n" not in value:
        return b"%b=%b\n" % (name.encode(), value)
    return b"%b\n%b%b\n" % (name.encode(), struct.pack("<Q", len(value)), value)


def _quote(text: str) -> str:
    line = _escape(text)
    return line if _PLAIN.fullmatch(line) else '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escape(text: str) -> str:
    """Return a text on one line, without control characters."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
