"""When a camera notices motion and sound: one period of the day, on some days of the week, as the vendor has it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

from firmware_tools.language import Message, message
from gateway.errors import FieldError, InvalidRequest

ALWAYS: Final = 128
"""The bit of `weekday` that means all the time, whatever the others and the times say (NOTES: Detection period)."""
DAYS: Final[tuple[Message, ...]] = (
    message("Monday"),
    message("Tuesday"),
    message("Wednesday"),
    message("Thursday"),
    message("Friday"),
    message("Saturday"),
    message("Sunday"),
)
"""The days in the order of their bits, from bit 0 on."""
MINUTES: Final = 24 * 60
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class DetectionSchedule:
    """When the camera pays attention."""

    is_always: bool
    """Whether it does all the time."""
    days: frozenset[int]
    """The days on which the period begins: 0 is Monday."""
    start: int
    """When it begins, in minutes since midnight."""
    stop: int
    """When it ends; before the start means on the next day."""

    @classmethod
    def from_camera(cls, weekday: Any, start: Any, stop: Any) -> Self | None:
        """Return what a camera says; None if that makes no sense."""
        if type(weekday) is not int or not all(type(one) is int and 0 <= one <= MINUTES for one in (start, stop)):
            return None
        days = frozenset(day for day in range(7) if weekday >> day & 1)
        return cls(bool(weekday & ALWAYS), days, start, stop)

    @classmethod
    def from_form(cls, *, is_always: bool, days: Collection[str], start: str, stop: str) -> Self:
        """Return what a person chose; times are as in `18:30`. Raises `InvalidRequest`."""
        if is_always:
            return cls(True, frozenset(range(7)), 0, MINUTES)
        field_errors = []
        chosen = frozenset(int(day) for day in days if day in "0123456" and len(day) == 1)
        if not chosen:
            field_errors.append(FieldError("days", message("Choose a day at least.")))
        minutes = []
        for name, text in (("start_time", start), ("stop_time", stop)):
            found = _TIME.fullmatch(text)
            value = int(found[1]) * 60 + int(found[2]) if found else MINUTES + 1
            if value > MINUTES:
                field_errors.append(FieldError(name, message("must be a time, such as 18:30")))
            minutes.append(value)
        if minutes[0] % MINUTES == minutes[1] % MINUTES and not field_errors:
            field_errors.append(FieldError("stop_time", message("must be another time than the start")))
        if field_errors:
            raise InvalidRequest(field_errors)
        return cls(False, chosen, *minutes)

    @property
    def arguments(self) -> dict[str, int]:
        """The arguments of the vendor's call."""
        weekday = ALWAYS if self.is_always else sum(1 << day for day in self.days)
        return {"weekday": weekday, "start_time": self.start, "stop_time": self.stop}

    @property
    def start_text(self) -> str:
        """The start, as in `18:30`."""
        return format_time(self.start)

    @property
    def stop_text(self) -> str:
        """The end, as in `18:30`."""
        return format_time(self.stop)

    def hours(self, day: int) -> list[bool]:
        """Tell for each hour of a day whether the camera pays attention in any part of it."""
        return [self._covers(day, 60 * hour, 60 * hour + 60) for hour in range(24)]

    def _covers(self, day: int, begin: int, end: int) -> bool:
        if self.is_always:
            return True
        stop = self.stop if self.stop > self.start else self.stop + MINUTES
        for began, offset in ((day, 0), ((day - 1) % 7, MINUTES)):
            if began in self.days and self.start < end + offset and stop > begin + offset:
                return True
        return False


def format_time(minutes: int) -> str:
    """Return minutes since midnight as browsers take times; the end of a day is 00:00."""
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"
