"""Where log lines go: to systemd's journal as fields, or to a stream as `key=value`. No secret passes either."""

import logging
import os
import re
import socket
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from gateway.runtime.logs.request import REQUEST_ID
from gateway.runtime.redaction import Redactor

JOURNAL: Final = "/run/systemd/journal/socket"

_PLAIN: Final = re.compile(r"[^\s\"=\\]+")
_MOST_CHARACTERS: Final = 16_384
"""How much of a field is kept: a datagram has to hold the whole line."""
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def is_journal(stream: TextIO) -> bool:
    """Tell whether what is written to a stream ends up in systemd's journal (systemd.exec, "$JOURNAL_STREAM")."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Handler(logging.Handler):
    """Makes fields of a record, each without secrets; what a handler writes is made of nothing else."""

    def __init__(self, secrets: Redactor) -> None:
        super().__init__()
        self._secrets = secrets

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """Return the record's message, its fields, and the trace of its exception."""
        try:
            message = record.getMessage()
        except Exception as exc:
            message = f"{record.msg!r} cannot be worded: {type(exc).__name__}"
        given: Mapping[str, Any] = getattr(record, "fields", {})
        found: dict[str, Any] = {"message": message, "request_id": REQUEST_ID.get(), **given}
        if record.exc_info and record.exc_info[0] is not None:
            found["trace"] = logging.Formatter().formatException(record.exc_info)
        texts = {name: self._secrets.redact(str(value)) for name, value in found.items() if value not in ("", None)}
        return {name: text[:_MOST_CHARACTERS] for name, text in texts.items()}


class LogfmtHandler(_Handler):
    """Writes lines such as `time=… level=warning logger=gateway.app message="…"`; a trace follows, indented."""

    def __init__(self, secrets: Redactor, stream: TextIO) -> None:
        super().__init__(secrets)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            fields = self.fields(record)
            trace = fields.pop("trace", "")
            time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            start = {"time": time.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
            line = " ".join(f"{name}={_quoted(text)}" for name, text in (start | fields).items())
            indented = "".join(f"\n    {_printable(one)}" for one in trace.splitlines())
            self._stream.write(f"{line}{indented}\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Do nothing: the usual way is to print the record, secrets and all, to where nothing can be written."""


class JournalHandler(_Handler):
    """Sends datagrams of fields to systemd's journal (its "Native Journal Protocol").

    It never waits for the journal: what does not get there at once is counted, and told with the next line.
    """

    def __init__(self, secrets: Redactor, path: str = JOURNAL) -> None:
        super().__init__(secrets)
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
            self._socket.sendto(b"".join(_field(name.upper(), text) for name, text in fields.items()), self._path)
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _field(name: str, text: str) -> bytes:
    value = text.encode("utf-8", "backslashreplace")
    if b"\n" not in value:
        return b"%b=%b\n" % (name.encode(), value)
    return b"%b\n%b%b\n" % (name.encode(), struct.pack("<Q", len(value)), value)


def _quoted(text: str) -> str:
    shown = _printable(text)
    return shown if _PLAIN.fullmatch(shown) else '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _printable(text: str) -> str:
    """Return a text on one line, without what could steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
