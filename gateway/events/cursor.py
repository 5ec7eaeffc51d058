"""Cursors: what the log holds, and where a reader resumes that shows the id of the last event that it got."""

import re
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest

_ID: Final = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})")


class ResumeNotice(NamedTuple):
    """Why a reader may have missed events, or gets some again."""

    reason: str
    """For programs: `new_epoch`, `from_the_future` or `pruned`."""
    detail: str
    """For people."""


class ResumePoint(NamedTuple):
    """Where a reader resumes."""

    after: int
    """It gets the events after the one with this number."""
    notice: ResumeNotice | None = None
    """Why this is not where it asked to resume; None if it is."""


class LogRange(NamedTuple):
    """The events that readers can get. The log is empty if `newest` is less than `oldest`."""

    epoch: str
    """The epoch of the log."""
    oldest: int
    """The number of the oldest event."""
    newest: int
    """The number of the newest event."""

    def id(self, number: int) -> str:
        """Return the id of the event with this number."""
        return f"{self.epoch}-{number}"

    def resume_after(self, last_id: str) -> ResumePoint:
        """Return where a reader resumes that has got the events up to `last_id`; `0` stands for none.

        Raises `InvalidRequest` for an id that no event can have.
        """
        if last_id == "0":
            return ResumePoint(self.oldest - 1)
        match = _ID.fullmatch(last_id)
        if match is None:
            raise InvalidRequest(
                [
                    FieldError(
                        "after",
                        message("{last_id!r} is no id of an event; 0 stands for the oldest", last_id=last_id[:80]),
                    )
                ]
            )
        epoch, number = match[1], int(match[2])
        if epoch != self.epoch:
            detail = message(
                "the event log was restored, repaired or copied, its ids have begun anew: every event that is kept "
                "follows"
            )
            return ResumePoint(self.oldest - 1, ResumeNotice("new_epoch", detail))
        if number > self.newest:
            detail = message("there is no event {last_id} yet: every event that is kept follows", last_id=last_id)
            return ResumePoint(self.oldest - 1, ResumeNotice("from_the_future", detail))
        if number < self.oldest - 1:
            detail = message(
                "the events after {last_id} are not kept any more up to {oldest_id}: every event that is kept follows",
                last_id=last_id,
                oldest_id=self.id(self.oldest - 1),
            )
            return ResumePoint(self.oldest - 1, ResumeNotice("pruned", detail))
        return ResumePoint(number)
