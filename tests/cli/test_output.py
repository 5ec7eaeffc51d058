"""Printing: what comes from elsewhere is shown as it is, unbroken, on any terminal."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from firmware_tools.language import message
from gateway.cli.client import ApiError
from gateway.cli.command import CommandContext, CommandFailed, run_command
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.simulator.store import SimulatedStore
from tests.forking import start_program

ODD = "d8:AB:00 :smile: [bold]till[/bold]"


def test_texts_are_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(ODD)
    print_members({"name": ODD})
    print_table([{"name": ODD}], {message("NAME"): "name"})
    assert [line.removeprefix("name").strip() for line in capsys.readouterr().out.splitlines()] == [
        ODD,
        ODD,
        "NAME",
        ODD,
    ]


ROWS = [
    {
        "sn": "FM01024B2200000000000001",
        "address": "[fe80::1234:5678:9abc:def0]:443",
        "path": "product/a_very_long_path_that_nobody_may_break/getList",
        "name": "the camera above the second till on the left",
    }
]
PRINT_ROWS = f"""
from gateway.cli.output import print_table
print_table({ROWS!r}, {{"SN": "sn", "NAME": "name", "ADDRESS": "address", "PATH": "path"}})
"""


def test_in_a_pipe_a_table_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = subprocess.run([sys.executable, "-c", PRINT_ROWS], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(value in lines[1] for value in ROWS[0].values())


@pytest.mark.parametrize("columns", [20, 80, 132, 300])
def test_in_a_terminal_identifiers_are_not_broken(columns: int) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", PRINT_ROWS], stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how a terminal on Linux says that the other side has closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    for member in ("sn", "address", "path"):
        assert ROWS[0][member] in text
    words = ROWS[0]["name"].split()
    assert all(word in text.split() for word in words)
    assert (" ".join(words) in text) == (columns >= 300)


def test_nothing_from_elsewhere_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\x1b[2Jb")
    print_message("a\x1b]0;title\x07b")
    print_members({"name": "a\u202eb"})
    print_table([{"name": "a\x9b2J\nb"}], {message("NAME"): "name"})
    shown = "".join(capsys.readouterr())
    assert not [character for character in shown if not character.isprintable() and character != "\n"]
    assert len(shown.splitlines()) == 5


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "ascii"])
async def test_a_terminal_that_cannot_show_a_name(store: SimulatedStore, command: Any, encoding: str) -> None:
    name = "\u6536\u94f6\u53f0 caf\u00e9 \u2615"
    store.cameras[0].state.config.name = name
    words = ("discover", "--method", "broadcast", "--timeout", "0.5")
    environment = {"PYTHONIOENCODING": encoding}
    process = await command.begin(*words, **environment)
    shown, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert name.encode(encoding, "replace") in shown
    process = await command.begin(*words, "--json", **environment)
    shown, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert name in [camera["name"] for camera in json.loads(shown.decode("utf-8"))["cameras"]]
    process = await command.begin("cameras", "show", name, **environment)
    shown, errors = await process.communicate()
    assert (process.returncode, errors.count(b"\n")) == (1, 1), "the reason is one line"


@pytest.mark.parametrize("words", [("catalogue",), ("catalogue", "--json"), ("catalogue", "--markdown"),
                                   ("office", "asyncapi")])  # fmt: skip
async def test_a_disk_that_is_full_is_said_and_a_reader_that_has_gone_is_not(words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: ASYNC230  a device
        process = await start_program("gateway", *words, stdout=full)
        _, errors = await process.communicate()
    assert (process.returncode, errors.count(b"\n")) == (1, 1), errors
    assert b"standard output cannot be written: No space left on device" in errors
    reading, writing = os.pipe()
    os.close(reading)
    process = await start_program("gateway", *words, stdout=writing)
    os.close(writing)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (1, b"")


def test_a_command_that_fails_after_its_result_prints_no_second_document(capsys: pytest.CaptureFixture[str]) -> None:
    context = CommandContext(None, json=True, no_input=True)

    async def work() -> None:
        context.emit({"state": "begun"}, print_members)
        raise ApiError({"detail": "the gateway has gone"})

    with pytest.raises(CommandFailed, match="1"):
        run_command(context, work())
    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == [{"state": "begun"}]
    assert "the gateway has gone" in printed.err
