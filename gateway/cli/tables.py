"""Results as a person reads them in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from gateway.protocol import json_text

_console = Console(highlight=False, markup=False, emoji=False)


def print_line(text: str) -> None:
    """Print a line."""
    _console.print(text, soft_wrap=True)


def print_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows as a table; `columns` maps the heading to the member that it shows."""
    drawn = Table(box=None, pad_edge=False)
    for heading in columns:
        drawn.add_column(heading, overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(row.get(member)) for member in columns.values()))
    _console.print(drawn)


def print_bars(steps: Sequence[tuple[str, int | None]]) -> None:
    """Draw a number for each label as a bar, as wide as the terminal allows; None has no bar."""
    most = max((number for _, number in steps if number is not None), default=0)
    drawn = Table(box=None, pad_edge=False, show_header=False)
    drawn.add_column(no_wrap=True)
    drawn.add_column(justify="right", no_wrap=True)
    drawn.add_column(ratio=1)
    width = min(60, max(10, _console.width - 24))
    for label, number in steps:
        if _console.options.ascii_only:
            bar: Bar | str = "#" * round(width * (number or 0) / max(most, 1))
        else:
            bar = Bar(max(most, 1), 0, number or 0, width=width)
        drawn.add_row(label, _cell(number), bar)
    _console.print(drawn)


def print_members(document: Mapping[str, Any]) -> None:
    """Print the members of one object, a line each."""
    width = max((len(name) for name in document), default=0)
    for name, value in document.items():
        print_line(f"{name.ljust(width)}  {_cell(value)}")


def print_json(document: Any) -> None:
    """Print a vendor's answer."""
    print_line(json_text.dumps(document))


def _cell(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            return json_text.dumps(value)
