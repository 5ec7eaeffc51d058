"""Log lines as logfmt and as datagrams of systemd's journal."""

import contextlib
import io
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.runtime.logs import REQUEST_ID, begin_request
from gateway.runtime.logs.handlers import JournalHandler, LogfmtHandler, is_journal
from gateway.runtime.redaction import Redactor


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.Logger("gateway.test", logging.DEBUG)
    yield logger
    for handler in logger.handlers:
        handler.close()


@pytest.fixture
def terminal(log: logging.Logger) -> io.StringIO:
    stream = io.StringIO()
    log.addHandler(LogfmtHandler(Redactor(), stream))
    return stream


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(5)
        yield listening


def read(datagram: bytes) -> dict[str, str]:
    """Read a datagram of the native protocol, as its documentation describes it."""
    fields = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", datagram[:8])
            value, end, datagram = datagram[8 : 8 + size], datagram[8 + size : 9 + size], datagram[9 + size :]
            assert end == b"\n"
        fields[name.decode()] = value.decode()
    return fields


def test_a_terminal_shows_names_and_values(log: logging.Logger, terminal: io.StringIO) -> None:
    REQUEST_ID.set("")
    log.warning("the cloud is away: %s", "no route", extra={"fields": {"attempt": 3, "camera": ""}})
    line = terminal.getvalue()
    assert line.startswith("time=20")
    assert line.endswith('Z level=warning logger=gateway.test message="the cloud is away: no route" attempt=3\n'), line


def test_nobody_can_forge_a_line(log: logging.Logger, terminal: io.StringIO) -> None:
    forged = 'x"\ntime=now level=critical \x1b[31m message=gone'
    log.info("named %s", forged, extra={"fields": {"name": forged}})
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("it failed")
    lines = terminal.getvalue().splitlines()
    assert [line.partition("=")[0] for line in lines if not line.startswith("    ")] == ["time", "time"]
    assert "\x1b" not in terminal.getvalue()
    assert '\\"\\\\ntime' in lines[0]


def test_a_traceback_follows_its_line(log: logging.Logger, terminal: io.StringIO) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("it failed")
    lines = terminal.getvalue().splitlines()
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == "    ValueError: why"


def test_a_line_names_the_request_that_caused_it(log: logging.Logger, terminal: io.StringIO) -> None:
    assert begin_request("till-7:0001") == "till-7:0001"
    log.info("one")
    for given in (None, "", "a b", "x" * 65, "a\nb", "ä", 'a"b'):
        made = begin_request(given)
        assert made != given
        log.info("another")
    lines = terminal.getvalue().splitlines()
    assert lines[0].endswith("request_id=till-7:0001")
    assert len({line.partition("request_id=")[2] for line in lines}) == len(lines)
    REQUEST_ID.set("")


def test_a_message_that_cannot_be_formatted_is_still_logged(log: logging.Logger, terminal: io.StringIO) -> None:
    log.info("%d of %d", "one")
    assert "cannot be formatted" in terminal.getvalue()


def test_a_closed_terminal_harms_nothing(
    log: logging.Logger, terminal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.close()
    log.info("password=%s", "hush")
    assert capsys.readouterr().err == ""


def test_the_journal_gets_fields(log: logging.Logger, journal: socket.socket) -> None:
    log.addHandler(JournalHandler(Redactor(), journal.getsockname()))
    begin_request("r-1")
    log.warning("the camera is gone", extra={"fields": {"camera": "FM020D8B00001", "duration_ms": 12.5}})
    fields = read(journal.recv(65536))
    assert fields.items() >= {
        "MESSAGE": "the camera is gone", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "sunmi-gateway", "REQUEST_ID": "r-1",
        "LOGGER": "gateway.test", "CAMERA": "FM020D8B00001", "DURATION_MS": "12.5",
    }.items()  # fmt: skip
    assert fields["CODE_FILE"].endswith("test_log_handlers.py")
    try:
        raise ValueError("on two\nlines")
    except ValueError:
        log.exception("it failed\nbadly")
    fields = read(journal.recv(65536))
    assert fields["PRIORITY"] == "3"
    assert fields["MESSAGE"].startswith("it failed\nbadly\nTraceback")
    assert fields["TRACE"].endswith("ValueError: on two\nlines")
    REQUEST_ID.set("")


def test_the_largest_line_fits(log: logging.Logger, journal: socket.socket) -> None:
    log.addHandler(JournalHandler(Redactor(), journal.getsockname()))
    log.info("%s", "ä" * 100_000, extra={"fields": {"more": "\N{ELEPHANT}" * 100_000}})
    fields = read(journal.recv(1024 * 1024))
    assert len(fields["MESSAGE"]) == len(fields["MORE"]) == 16_384


def test_lines_that_the_journal_missed_are_counted(log: logging.Logger, tmp_path: Path) -> None:
    path = str(tmp_path / "late")
    log.addHandler(JournalHandler(Redactor(), path))
    log.info("nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(5)
        log.info("first")
        assert read(listening.recv(65536))["LINES_LOST_BEFORE"] == "1"
        for _ in range(5000):  # more than the socket holds: nobody reads
            log.info("more")
        while read(listening.recv(65536))["MESSAGE"] != "more":
            pass
        listening.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # until all that was kept is read
            while listening.recv(65536):
                pass
        log.info("last")
        assert int(read(listening.recv(65536))["LINES_LOST_BEFORE"]) > 1000


def test_a_stream_to_the_journal_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert is_journal(stream)
        assert not is_journal(other)
        assert not is_journal(io.StringIO())
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not is_journal(stream)
