"""What is wrong with stored labels, in numbers, for those who watch the shelf. It needs nothing that draws."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_args

from gateway.labels.label import LOW_BATTERY, LabelState
from gateway.labels.label_rows import read_text

SILENT_S: Final = 86400
"""A label that its access point has not heard for so long is out of reach, or its battery is empty."""
EXPIRY_ALARM_S: Final = 300
"""How long after its end a price may still be on a label before that is reported, in seconds."""
LABEL_STATES: Final[tuple[LabelState, ...]] = get_args(LabelState)
"""All states of a label."""

_SELECTIONS: Final = {
    "failed": "state = 'failed'",
    "late": "state NOT IN ('failed', 'shown', 'vendor') AND problem <> ''",
    # When it was read, the cloud had just answered: that is its time. A reading that is old itself says nothing.
    "silent": "iif(json_valid(reading), reading ->> 'read_at' - (reading ->> 'contact_at') > :silent_s, 0)",
    "low_battery": "iif(json_valid(reading), reading ->> 'battery' < :low_battery, 0)",
    "expired": "shown_until <= :expired_before",
}
_WITH_REASON: Final = ("failed", "late")
PROBLEM_KINDS: Final = tuple(_SELECTIONS)
"""What can be wrong with labels."""


class LabelProblem(NamedTuple):
    """What is wrong with some labels."""

    labels: int
    """How many."""
    label: str
    """The first of them, by its name."""
    reason: str
    """What is known to be wrong with the first; empty if nothing more is."""


class LabelHealth(NamedTuple):
    """How the labels are."""

    states: Mapping[LabelState, int]
    """How many are in each state."""
    problems: Mapping[str, LabelProblem]
    """What is wrong, by kind: `failed`, `late`, `silent`, `low_battery` and `expired`."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "states": {state: count for state, count in self.states.items() if count},
            "problems": {kind: problem._asdict() for kind, problem in self.problems.items()},
        }


def forget_shown(connection: sqlite3.Connection) -> int:
    """Have all labels drawn and pushed again, as in a restored database: nobody knows what they show. Return how many.

    The state that the cloud tells does not say which picture it is about. A picture in the outbox stays there until
    the next one has been drawn.
    """
    return connection.execute(
        "UPDATE label SET shown_hash = '', problem = '', changes = changes + (content = 'product'), "
        "state = iif(state = 'sent', state, 'waiting') WHERE state <> 'vendor'"
    ).rowcount


def find_health(connection: sqlite3.Connection, *, account: int | None = None, now: int | None) -> LabelHealth:
    """Return how the labels of an account, or of all, are.

    `now` is a time that can be trusted, in Unix seconds; without it no price is known to have ended.
    """
    values = {
        "account": account, "silent_s": SILENT_S, "low_battery": LOW_BATTERY,
        "expired_before": None if now is None else now - EXPIRY_ALARM_S,
    }  # fmt: skip
    columns = ", ".join(f"total({one}), min(iif({one}, number, NULL))" for one in _SELECTIONS.values())
    rows = connection.execute(  # in one pass: a row has a picture of some kilobytes
        f"SELECT state, count(*), {columns} FROM label "  # noqa: S608
        "WHERE :account IS NULL OR account = :account GROUP BY state",
        values,
    ).fetchall()
    states = dict.fromkeys(LABEL_STATES, 0) | {row[0]: row[1] for row in rows}
    problems = {}
    for position, kind in enumerate(PROBLEM_KINDS):
        found = [row[2 + 2 * position : 4 + 2 * position] for row in rows if row[0] != "vendor"]
        if labels := int(sum(count for count, _ in found)):
            first = min(number for _, number in found if number is not None)
            name, problem = connection.execute("SELECT name, problem FROM label WHERE number = ?", (first,)).fetchone()
            problems[kind] = LabelProblem(labels, name, read_text(problem) if kind in _WITH_REASON else "")
    return LabelHealth(states, problems)
