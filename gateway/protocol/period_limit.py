"""Limits on the time between two parameters of a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from firmware_tools.language import message
from gateway.errors import FieldError
from gateway.protocol.values import parse_date

_DAYS: Final = {"hours": 1 / 24, "days": 1, "weeks": 7}
"""Length of the units in days."""


@dataclass(frozen=True, slots=True)
class PeriodLimit:
    """The longest period between two parameters. The end is never before the start."""

    start: str
    """Name of the parameter that holds the start."""
    end: str
    """Name of the parameter that holds the end."""
    max_units: int
    """Largest distance, in units."""
    unit: Literal["seconds", "hours", "days", "weeks", "months"]
    """With `seconds` the parameters are Unix timestamps, otherwise dates (YYYY-MM-DD)."""

    def check(self, fields: Mapping[str, str]) -> FieldError | None:
        """Return the field error in the encoded parameters, or None. A period without start or end is not checked."""
        if self.start not in fields or self.end not in fields:
            return None
        if self.unit == "seconds":
            seconds = int(fields[self.end]) - int(fields[self.start])
            backwards, too_long = seconds < 0, seconds > self.max_units
        else:
            first, last = parse_date(fields[self.start]), parse_date(fields[self.end])
            backwards, too_long = last < first, self._is_exceeded(first, last)
        if backwards:
            return FieldError(self.end, message("must not be before {start}", start=self.start))
        if too_long:
            return FieldError(
                self.end,
                message(
                    "must be at most {max_units} {unit} after {start}",
                    max_units=self.max_units,
                    unit=self.unit,
                    start=self.start,
                ),
            )
        return None

    def _is_exceeded(self, first: date, last: date) -> bool:
        if self.unit == "months":
            months = (last.year - first.year) * 12 + last.month - first.month
            return months > self.max_units or (months == self.max_units and last.day > first.day)
        return (last - first).days > self.max_units * _DAYS[self.unit]

    def describe(self) -> dict[str, Any]:
        """Return the limit as JSON."""
        return {"start": self.start, "end": self.end, "most": self.max_units, "unit": self.unit}
