"""Printing: names, MAC addresses and fingerprints are never taken for markup."""

import pytest

from gateway.cli.output import print_line, print_members, print_table

ODD = "d8:AB:00 :smile: [bold]till[/bold]"


def test_texts_are_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(ODD)
    print_members({"name": ODD})
    print_table([{"name": ODD}], {"NAME": "name"})
    assert [line.removeprefix("name").strip() for line in capsys.readouterr().out.splitlines()] == [
        ODD,
        ODD,
        "NAME",
        ODD,
    ]
