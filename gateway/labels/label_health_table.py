"""What is wrong with stored labels, in numbers, for those who watch the shelf. It needs nothing that draws."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.labels.label import LOW_BATTERY, LabelState
from gateway.labels.label_rows import read_text

SILENT_S: Final = 86400
"""A label that its access point has not heard for so long is out of reach, or its battery is empty."""
EXPIRY_ALARM_S: Final = 300
"""How long after its end a price may still be on a label before that is reported, in seconds."""
LABEL_STATES: Final[tuple[LabelState, ...]] = ("waiting", "sent", "pushed", "retrying", "shown", "failed", "vendor")
"""All states of a label."""

_SELECTIONS: Final = {
    "failed": "state = 'failed'",
    "late": "state NOT IN ('failed', 'shown', 'vendor') AND problem <> ''",
    # When it was read, the cloud had just answered: that is its time. A reading that is old itself says nothing.
    "silent": "json_valid(reading) AND json_extract(reading, '$.read_at') - json_extract(reading, '$.contact_at') > "
    ":silent_s",
    "low_battery": "json_valid(reading) AND json_extract(reading, '$.battery') < :low_battery",
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


def _count_states(connection: sqlite3.Connection, account: int | None = None) -> dict[LabelState, int]:
    """Return how many labels of an account, or of all, are in each state."""
    rows = connection.execute(
        "SELECT state, count(*) FROM label WHERE ?1 IS NULL OR account = ?1 GROUP BY state", (account,)
    )
    found = dict(rows.fetchall())
    return {state: found.get(state, 0) for state in LABEL_STATES}


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
    problems = {}
    for kind, selection in _SELECTIONS.items():
        labels, _, label, problem = connection.execute(
            f"SELECT count(*), min(number), name, problem FROM label WHERE {selection} "  # noqa: S608
            "AND state <> 'vendor' AND (:account IS NULL OR account = :account)",
            values,
        ).fetchone()
        if labels:
            problems[kind] = LabelProblem(labels, label, read_text(problem) if kind in _WITH_REASON else "")
    return LabelHealth(_count_states(connection, account), problems)
