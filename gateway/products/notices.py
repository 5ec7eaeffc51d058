"""What a person should know of a list that was read, in sentences: each kind once, with how often and where first."""

from collections.abc import Callable, Sequence
from typing import Final

from firmware_tools.language import count_message, message
from firmware_tools.list_file import ListFile
from gateway.products.columns import ListColumn

_MAX_NOTICES: Final = 50


class ListNotices:
    """Collects notices."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._counted: dict[tuple[Callable[[str, int, int], str], str], tuple[int, int]] = {}

    def add(self, text: str) -> None:
        """Add a sentence; beyond some dozens they are left out."""
        if len(self._texts) < _MAX_NOTICES:
            self._texts.append(text)

    def add_facts(self, source: ListFile, columns: Sequence[ListColumn]) -> None:
        """Add what is to be said of a list whose rows were read: other sheets, rows before the headings, formulas."""
        if source.other_sheets:
            others = ", ".join(source.other_sheets)
            self.add(message("sheet {sheet} is read; not read: {others}", sheet=source.format.sheet, others=others))
        for row in source.preceding:
            self.add(message("row {row} stands before the headings, and is not used", row=row.number))
        for column in columns:
            if column.place in source.facts.formulas:
                count, first = source.facts.formulas[column.place]
                self._counted[_describe_formulas, column.heading] = count, first
        if hidden := source.facts.hidden_rows:
            self.add(
                count_message(
                    "{count} row is hidden, row {row}; it is read as the others",
                    "{count} rows are hidden, first row {row}; they are read as the others",
                    len(hidden),
                    row=hidden[0],
                )
            )

    def count_line_breaks(self, column: str, row: int) -> None:
        """Count a text whose line breaks became spaces."""
        self._count(_describe_line_breaks, column, row)

    def count_restored(self, column: str, row: int) -> None:
        """Count a bar code of which a program had made a number."""
        self._count(_describe_restored, column, row)

    def count_wrong_check_digit(self, column: str, row: int) -> None:
        """Count a bar code whose check digit is wrong."""
        self._count(_describe_wrong_check_digits, column, row)

    def _count(self, describe: Callable[[str, int, int], str], column: str, row: int) -> None:
        count, first = self._counted.get((describe, column), (0, row))
        self._counted[describe, column] = count + 1, first

    def describe(self) -> tuple[str, ...]:
        """Return all of them."""
        counted = (describe(column, count, row) for (describe, column), (count, row) in self._counted.items())
        return (*self._texts, *counted)


def _describe_formulas(column: str, count: int, row: int) -> str:
    return count_message(
        "column {column}: {count} formula, in row {row}; the value that the spreadsheet has computed is read",
        "column {column}: {count} formulas, first in row {row}; the values that the spreadsheet has computed are read",
        count,
        column=column,
        row=row,
    )


def _describe_line_breaks(column: str, count: int, row: int) -> str:
    return count_message(
        "column {column}: a space stands for line breaks in {count} cell, in row {row}",
        "column {column}: a space stands for line breaks in {count} cells, first in row {row}",
        count,
        column=column,
        row=row,
    )


def _describe_restored(column: str, count: int, row: int) -> str:
    return count_message(
        "column {column}: a program had made a number of {count} bar code, in row {row}; its check digit shows that it "
        "is whole again",
        "column {column}: a program had made numbers of {count} bar codes, first in row {row}; their check digits show "
        "that they are whole again",
        count,
        column=column,
        row=row,
    )


def _describe_wrong_check_digits(column: str, count: int, row: int) -> str:
    return count_message(
        "column {column}: the check digit of {count} bar code is wrong, in row {row}; it is shown as text",
        "column {column}: the check digits of {count} bar codes are wrong, first in row {row}; they are shown as text",
        count,
        column=column,
        row=row,
    )
