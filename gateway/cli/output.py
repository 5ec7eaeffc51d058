"""Printing for people: results to standard output, messages and progress to standard error."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from firmware_tools.command_language import localize
from firmware_tools.language import Message, message
from firmware_tools.rendered_text import recognise_rendered
from gateway.cli.encoding import make_printable
from gateway.protocol import json_text

_results: Final = Console(highlight=False, markup=False, emoji=False)
messages: Final = Console(stderr=True, highlight=False, emoji=False)
"""Standard error. Texts from elsewhere are printed by `print_message`, which interprets no markup."""
_WRAPPED_COLUMNS: Final = frozenset({message("NAME"), message("TITLE"), message("MEANING"), message("REASON")})
"""Headings of columns that hold words, which may be wrapped. What other columns hold is never broken."""
_COLUMN_GAP: Final = 1


def localize_reported(text: str) -> str:
    """Return a text that a shop has rendered in English in the language of the person."""
    return localize(recognise_rendered(text))


def print_line(text: str) -> None:
    """Print a line."""
    _results.print(make_printable(localize(text)), soft_wrap=True)


def print_message(text: str) -> None:
    """Print a line to standard error."""
    messages.print(make_printable(localize(text)), markup=False, soft_wrap=True)


def print_table(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[Message, str], *, empty: Message | None = None
) -> None:
    """Print rows as a table. `columns` maps each heading to the member of a row below it.

    Where there is no row, `empty` says what that means, on standard error: a script reads no row of it.
    In a terminal, words are wrapped where the table is too wide; in a pipe there is no width.
    """
    rows = [*rows]
    if not rows and empty is not None:
        print_message(empty)
        return
    lines = [[localize(heading) for heading in columns]]
    lines += [
        [make_printable(" ".join(_format_cell(row.get(member)).split())) for member in columns.values()] for row in rows
    ]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if not sys.stdout.isatty() or sum(widths) + _COLUMN_GAP * len(widths) <= _results.width:
        # Rich takes a millisecond for each row.
        _results.out("\n".join((" " * _COLUMN_GAP).join(map(_pad, line, widths)) for line in lines))
        return
    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, _COLUMN_GAP, 0, 0))
    shortest = 0
    for number, (heading, width) in enumerate(zip(columns, widths, strict=True)):
        is_wrapped = heading in _WRAPPED_COLUMNS
        grid.add_column(no_wrap=not is_wrapped, min_width=None if is_wrapped else width)
        cells = (line[number] for line in lines)
        shortest += (max(map(_find_longest_word, cells)) if is_wrapped else width) + _COLUMN_GAP
    for line in lines:
        grid.add_row(*line)
    width = max(_results.width, shortest)
    Console(width=width, highlight=False, markup=False, emoji=False).print(grid, crop=False)


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))


def _find_longest_word(text: str) -> int:
    """Return the width of the longest word."""
    return max(map(cell_len, text.split()), default=0)


def print_bars(steps: Sequence[tuple[str, int | None]]) -> None:
    """Print a number for each label as a bar, as wide as the terminal allows. None has no bar."""
    maximum = max((number for _, number in steps if number is not None), default=0)
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(ratio=1)
    width = min(60, max(10, _results.width - 24))
    for label, number in steps:
        if _results.options.ascii_only:
            bar: Bar | str = "#" * round(width * (number or 0) / max(maximum, 1))
        else:
            bar = Bar(max(maximum, 1), 0, number or 0, width=width)
        grid.add_row(label, _format_cell(number), bar)
    _results.print(grid)


def print_members(document: Mapping[str, Any]) -> None:
    """Print each member of an object in a line."""
    width = max((len(name) for name in document), default=0)
    for name, value in document.items():
        print_line(f"{name.ljust(width)}  {_format_cell(value)}")


def _format_cell(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return localize(message("yes") if value else message("no"))
        case str():
            return value
        case _:
            return json_text.dumps(value)
