"""What the head office knows of one shop: its record, what it reports, and how it is.

Reports come from shops. Whatever one holds, it concerns that shop alone, and takes bounded memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from gateway.fleet.documents import DesiredOutcome, DesiredReport, FindingsReport, ShopRecord
from gateway.fleet.part_names import DOCUMENT
from gateway.protocol import json_text

MAX_TROUBLES: Final = 20
"""How many troubles of a shop are kept."""
MAX_TEXT: Final = 300
"""How many characters of a text of a shop are kept."""
MAX_NUMBER: Final = 10**9
"""The largest number of a shop that is believed."""
MAX_ANSWERS: Final = 500
"""How many answers of a shop are kept that are not `applied`."""
SERVICE: Final = "service"
CHECK: Final = "check"
DESIRED_PART: Final = "desired"
"""The kinds of trouble: a service that fails, a finding of the doctor, and what the shop did not take."""


class ShopHealth(StrEnum):
    """How a shop is, the worst first."""

    CLONED = "cloned"
    """Two gateways have its certificate, and both have stopped."""
    TROUBLE = "trouble"
    """It is connected, and something does not work."""
    REVOKED = "revoked"
    """It is listed as one that has joined, and its key is revoked: the list is of an older backup."""
    AWAY = "away"
    """It is not connected."""
    NEVER_JOINED = "never_joined"
    """It is enrolled, and its gateway has not joined yet."""
    OK = "ok"
    """It is connected, and says that all is well."""
    RETIRED = "retired"
    """It does not belong to the chain any more."""


HEALTH_ORDER: Final = {health: number for number, health in enumerate(ShopHealth)}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of a shop that does not work."""

    kind: str
    """`service`, `check` or `desired`."""
    name: str
    """Which one."""
    reason: str
    """Why, as the shop says it."""


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """What became of a part of the desired state that is not applied."""

    outcome: DesiredOutcome
    """The outcome."""
    reason: str
    """Why."""


@dataclass(slots=True)
class ShopFacts:
    """What is known of a shop."""

    shop: str
    """Its name."""
    record: ShopRecord | None = None
    """Its record; None if it is not enrolled."""
    is_damaged: bool = False
    """Whether it has a record that cannot be read: then it is in no list."""
    is_revoked: bool = False
    """Whether its key is revoked, though it is listed as one that has joined."""
    connected_since: str | None = None
    """Since when it is connected, in UTC; None if it is not."""
    away_since: str | None = None
    """Since when it is away, in UTC; None if it is not, or if the servers do not remember it."""
    heard_at: str | None = None
    """When its last report of its state arrived, in UTC, by the clock of the servers."""
    version: str | None = None
    """The version of its gateway."""
    cameras: int = 0
    """How many managed cameras it has."""
    cameras_offline: int = 0
    """How many of them do not answer."""
    waiting: int = 0
    """How many calls wait for the cloud."""
    oldest_waiting_s: float | None = None
    """How long the oldest of them had waited when it was reported, in seconds; None if none waits."""
    clone: Mapping[str, Any] | None = None
    """The other gateway with its certificate, as `{host, addresses, since}`; None if there is none."""
    failing: tuple[Trouble, ...] = ()
    """Services that fail."""
    found: tuple[Trouble, ...] = ()
    """What the doctor found to be failed."""
    revisions: Mapping[str, int] = field(default_factory=dict)
    """The revisions of desired documents that the shop has answered, by key."""
    answers: Mapping[str, PartAnswer] = field(default_factory=dict)
    """Its answers that are not `applied`, by part."""
    is_unread: bool = False
    """Whether it could not read what is desired, so that it has answered for no part."""

    @property
    def untaken(self) -> tuple[Trouble, ...]:
        """What is desired of it, and it did not take."""
        return tuple(
            Trouble(DESIRED_PART, part, answer.reason)
            for part, answer in self.answers.items()
            if answer.outcome in ("refused", "rolled_back")
        )

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Everything that does not work."""
        return (*self.failing, *self.found, *self.untaken)

    @property
    def health(self) -> ShopHealth:
        """How it is."""
        if self.record is None or self.record.state == "retired":
            return ShopHealth.RETIRED
        if self.is_revoked:
            return ShopHealth.REVOKED
        if self.connected_since is None:
            return ShopHealth.NEVER_JOINED if self.record.state == "invited" else ShopHealth.AWAY
        if self.clone is not None:
            return ShopHealth.CLONED
        return ShopHealth.TROUBLE if self.troubles else ShopHealth.OK

    @property
    def since(self) -> str | None:
        """Since when it is connected, away, invited, listed or retired, in UTC; None if nobody knows."""
        match self.health:
            case ShopHealth.AWAY:
                return self.away_since
            case ShopHealth.NEVER_JOINED | ShopHealth.RETIRED | ShopHealth.REVOKED:
                return None if self.record is None else self.record.since
            case _:
                return self.connected_since

    def take_record(self, value: bytes | None) -> None:
        """Take the record of the bucket `shops`; None if it was deleted."""
        self.record, self.is_damaged = None, False
        try:
            self.record = None if value is None else ShopRecord.model_validate_json(value)
        except ValidationError:
            self.is_damaged = True

    def take_report(self, kind: str, value: bytes | None, stored_at: str) -> None:
        """Take what the shop reports: its state for the empty kind, else `findings` or `desired`.

        `value` is None and `stored_at` empty if it reports nothing any more.
        """
        if kind == "":
            self.heard_at = stored_at or None
            self._take_state(_read_object(value))
        elif kind == "findings":
            self.found = _read_findings(value)
        elif kind == "desired":
            self.revisions, self.answers, self.is_unread = _read_answers(value)

    def forget_reports(self) -> None:
        """Forget what was reported: by another machine, which is the shop no more."""
        for kind in ("", "findings", "desired"):
            self.take_report(kind, None, "")

    def _take_state(self, state: Mapping[str, Any]) -> None:
        version, cameras, outbox = state.get("version"), state.get("cameras"), state.get("outbox")
        self.version = clean_text(version, 64) if isinstance(version, str) else None
        listed = [one for one in cameras if isinstance(one, dict)] if isinstance(cameras, list) else []
        self.cameras = len(listed)
        self.cameras_offline = sum(one.get("online") is False for one in listed)
        depth = _read_number(outbox.get("depth")) if isinstance(outbox, dict) else None
        self.waiting = int(depth or 0)
        self.oldest_waiting_s = _read_number(state.get("oldest_item_age_s"))
        clone = state.get("cloned")
        self.clone = _shorten_members(clone) if isinstance(clone, dict) else None
        failing = state.get("failing")
        services = failing.items() if isinstance(failing, dict) else ()
        self.failing = tuple(
            Trouble(SERVICE, clean_text(name), clean_text(reason)) for name, reason in sorted(services)[:MAX_TROUBLES]
        )

    def describe(self) -> dict[str, Any]:
        """Return it as JSON, as lists of shops have it."""
        record = self.record
        return {
            "shop": self.shop,
            "title": "" if record is None else record.title,
            "groups": [] if record is None else list(record.groups),
            "health": self.health.value,
            "since": self.since,
            "heard_at": self.heard_at,
            "version": self.version,
            "cameras": self.cameras,
            "cameras_offline": self.cameras_offline,
            "waiting": self.waiting,
            "cloned": self.clone,
            "troubles": [{"kind": one.kind, "name": one.name, "reason": one.reason} for one in self.troubles],
        }


def clean_text(value: object, limit: int = MAX_TEXT) -> str:
    """Return a text of a shop as it can be shown, exported and stored anywhere; an empty one for anything else.

    It has no characters that steer a terminal or the direction of writing, and no lone surrogates.
    """
    if not isinstance(value, str):
        return ""
    text = value[:limit]
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


def _read_number(value: object) -> float | None:
    """Return a number of a shop; None for one that means nothing."""
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        return None
    return float(value)


def _read_object(value: bytes | None) -> Mapping[str, Any]:
    try:
        document = json_text.loads(value or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _read_findings(value: bytes | None) -> tuple[Trouble, ...]:
    try:
        report = FindingsReport.model_validate_json(value or b"")
    except ValidationError:
        return ()
    failed = [one for one in report.findings if one.status == "failed"]
    return tuple(Trouble(CHECK, clean_text(one.check), clean_text(one.text)) for one in failed[:MAX_TROUBLES])


def _read_answers(value: bytes | None) -> tuple[Mapping[str, int], Mapping[str, PartAnswer], bool]:
    try:
        report = DesiredReport.model_validate_json(value or b"")
    except ValidationError:
        return {}, {}, False
    open_answers = [(part, one) for part, one in report.answers.items() if one.outcome != "applied"]
    answers = {
        clean_text(part): PartAnswer(one.outcome, clean_text(one.reason)) for part, one in open_answers[:MAX_ANSWERS]
    }
    return dict([*report.revisions.items()][:50]), answers, set(report.answers) == {DOCUMENT}


def _shorten_members(clone: Mapping[str, Any]) -> Mapping[str, Any]:
    addresses = clone.get("addresses")
    return {
        "host": clean_text(clone.get("host")),
        "addresses": [clean_text(one, 64) for one in addresses[:20]] if isinstance(addresses, list) else [],
        "since": clean_text(clone.get("since"), 64),
    }
