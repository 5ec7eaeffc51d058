"""The shops of a chain: all of them at a glance, the worst first, and one as a whole."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from firmware_tools.language import message
from gateway.errors import NotFound
from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import (
    CHAIN_KEY,
    DESIRED,
    REPORTED,
    SHOPS,
    answer_key,
    findings_key,
    group_key,
    shop_key,
)
from gateway.office.bucket import Bucket, DamagedEntry, Entry
from gateway.office.connections import ChainConnections, read_connections, read_ends
from gateway.office.desired import read_entry
from gateway.office.natural_order import NaturalKey, natural_key
from gateway.office.office import Office
from gateway.office.revocation import read_revoked
from gateway.office.server_troubles import ServerTrouble, read_server_troubles
from gateway.office.servers import WrongClock
from gateway.office.shop_facts import HEALTH_ORDER, ShopFacts, ShopHealth
from gateway.protocol import json_text
from gateway.runtime.task_group import run_all

MIN_INTERVAL_S: Final = 5.0
"""How often the servers are asked at most who is connected."""
MAX_SHARE: Final = 0.05
"""Which share of the time goes into asking them, as long as that is often enough."""
MAX_INTERVAL_S: Final = 30.0
"""How often they are asked at least: a server that dies holds up the others' answer, and nobody is shown as away for
minutes because of that."""


class ShopList:
    """The shops, as of the last `refresh`, which reads what has changed since the one before."""

    def __init__(self, office: Office) -> None:
        """Take the connection; nothing is read before `refresh`."""
        self._office = office
        self._shops: dict[str, ShopFacts] = {}
        self._users: dict[str, ShopFacts] = {}
        """The shops that have joined, by public key."""
        self._revoked: Collection[str] = ()
        """The keys that are revoked, as of the last time that the servers were asked."""
        self._records = Bucket(office, SHOPS).follow()
        self._reports = Bucket(office, REPORTED).follow()
        self._replaced: list[ShopFacts] = []
        """The shops that have another machine than before, or none any more."""
        self._ask_again_at = 0.0
        self._asked: set[str] = set()
        """Who is away, where the servers were asked since when."""
        self.servers = 0
        """How many servers have said who is connected."""
        self.servers_expected = 0
        """How many servers there are."""
        self.wrong_clocks: Sequence[WrongClock] = ()
        """The servers whose clocks are wrong, as far as they have answered."""
        self.server_troubles: Sequence[ServerTrouble] = ()
        """The servers that store nothing, or are silent."""
        self.asked_at = 0.0
        """When they were asked last, by the monotonic clock."""
        self._lock = asyncio.Lock()

    async def refresh(self, *, asks: bool = False) -> None:
        """Read what has changed. Who is connected is asked now and then; at once if `asks`.

        Raises `HeadOfficeUnavailable`.
        """
        async with self._lock:  # pages refresh it, too
            known = await self._records.read(self.take_record)
            if known is not None:
                for shop in self._shops.keys() - known:
                    self.take_record(Entry(shop, None, 0, ""))
            await self._read_replaced()
            known = await self._reports.read(self.take_report)
            if known is not None:
                self._forget_reports(known)
            if asks or time.monotonic() >= self._ask_again_at:
                await self._refresh_connections()

    def take_record(self, entry: Entry) -> None:
        """Take a record of the bucket `shops`."""
        facts = self._shops.setdefault(entry.key, ShopFacts(entry.key))
        before = facts.record
        if before is not None:
            self._users.pop(before.public_key, None)
        facts.take_record(entry.value)
        if before is not None and (facts.record is None or facts.record.public_key != before.public_key):
            self._replaced.append(facts)
        if facts.record is not None and facts.record.state == "joined":
            self._users[facts.record.public_key] = facts
            facts.is_revoked = facts.record.public_key in self._revoked
        else:
            facts.is_revoked = False
            facts.connected_since = facts.away_since = None

    def take_report(self, entry: Entry) -> None:
        """Take what a shop reports in the bucket `reported`."""
        shop, _, kind = entry.key.partition(".")
        self._shops.setdefault(shop, ShopFacts(shop)).take_report(kind, entry.value, entry.stored_at)

    async def _read_replaced(self) -> None:
        """Forget what earlier machines have reported; what the new ones have may have been read before their record."""
        keys = [key for facts in self._replaced for key in (facts.shop, f"{facts.shop}.>")]
        reported = await Bucket(self._office, REPORTED).read(keys) if keys else {}
        for facts in self._replaced:
            facts.forget_reports()
        self._replaced.clear()
        for entry in reported.values():
            self.take_report(entry)

    def _forget_reports(self, known: Collection[str]) -> None:
        """Forget what shops have reported to servers that were restored since; those that are there say it again."""
        for shop, facts in self._shops.items():
            for kind, key in (("", shop), ("findings", findings_key(shop)), ("desired", answer_key(shop))):
                if key not in known:
                    facts.take_report(kind, None, "")

    def get(self, shop: str) -> ShopFacts:
        """Return a shop. Raises `NotFound`, and `DamagedEntry` if its record cannot be read."""
        facts = self._shops.get(shop)
        if facts is not None and facts.is_damaged:
            raise damaged_shop(shop)
        if facts is None or facts.record is None:
            raise unknown_shop(shop)
        return facts

    def find(self, shop: str) -> ShopFacts | None:
        """Return a shop; None if it does not belong to the chain, or not any more."""
        facts = self._shops.get(shop)
        return None if facts is None or facts.health is ShopHealth.RETIRED else facts

    def __iter__(self) -> Iterator[ShopFacts]:
        """All shops that are enrolled, retired ones among them, in no order."""
        return (facts for facts in self._shops.values() if facts.record is not None)

    def counts(self) -> Mapping[ShopHealth, int]:
        """How many shops are how."""
        found = Counter(facts.health for facts in self)
        return {health: found[health] for health in ShopHealth}

    def describe_servers(self) -> dict[str, Any]:
        """Return as JSON how many servers have answered, and what is wrong with which."""
        return {
            "answered": self.servers,
            "expected": self.servers_expected,
            "troubles": [one.describe() for one in self.server_troubles],
            "wrong_clocks": [one.text for one in self.wrong_clocks],
        }

    def groups(self) -> Mapping[str, int]:
        """How many shops each group has, by name, without retired ones."""
        found = Counter(
            group
            for facts in self
            if facts.record is not None and facts.health is not ShopHealth.RETIRED
            for group in facts.record.groups
        )
        return {group: found[group] for group in sorted(found, key=natural_key)}

    def search(
        self, text: str = "", *, healths: Collection[ShopHealth] = (), groups: Collection[str] = ()
    ) -> list[ShopFacts]:
        """Return shops, the worst first, and of those away the longest. Retired ones only if `healths` names them.

        `text` is searched for in name, title, version and what does not work, whatever its case.
        """
        wanted = text.casefold()
        found = [
            facts
            for facts in self
            if (facts.health in healths if healths else facts.health is not ShopHealth.RETIRED)
            and (not groups or (facts.record is not None and not {*groups}.isdisjoint(facts.record.groups)))
            and (not wanted or wanted in _searched_text(facts))
        ]
        return sorted(found, key=_order)

    async def _refresh_connections(self) -> None:
        begun = time.monotonic()
        found: list[ChainConnections] = []

        async def ask_who_is_connected() -> None:
            found.append(await read_connections(self._office))

        async def ask_what_is_wrong() -> None:
            self.server_troubles = await read_server_troubles(self._office)

        async def ask_who_is_revoked() -> None:
            self._revoked = await read_revoked(self._office)

        await run_all([ask_who_is_connected(), ask_what_is_wrong(), ask_who_is_revoked()])
        [connections] = found
        self.servers, self.servers_expected, self.asked_at = connections.servers, connections.expected, begun
        self.wrong_clocks = connections.wrong_clocks
        ended: list[str] = []
        for user, facts in self._users.items():
            facts.is_revoked = user in self._revoked
            facts.connected_since = connections.since.get(user)
            if facts.connected_since is not None:
                facts.away_since = None
                self._asked.discard(user)
            elif user not in self._asked:
                ended.append(user)
        for user, since in (await read_ends(self._office, ended)).items():
            self._users[user].away_since = since
        self._asked.update(ended)
        now = time.monotonic()
        self._ask_again_at = now + min(MAX_INTERVAL_S, max(MIN_INTERVAL_S, (now - begun) / MAX_SHARE))


async def load_shops(office: Office) -> ShopList:
    """Read all shops. Raises `HeadOfficeUnavailable`."""
    shops = ShopList(office)
    await shops.refresh()
    return shops


async def load_shop(office: Office, shop: str) -> dict[str, Any]:
    """Return one shop as a whole, as JSON: what it reports, and what is desired of it.

    Raises `NotFound`, and `DamagedEntry` if its record cannot be read.
    """
    record = parse_record(shop, (await Bucket(office, SHOPS).get(shop)).value)
    if record is None:
        raise unknown_shop(shop)
    facts = ShopFacts(shop, record)
    reported = await Bucket(office, REPORTED).read([shop, f"{shop}.>"])
    for entry in reported.values():
        facts.take_report(entry.key.partition(".")[2], entry.value, entry.stored_at)
    if record.state == "joined":
        key = record.public_key
        facts.is_revoked = key in await read_revoked(office)
        connections = await read_connections(office, users=[key])
        facts.connected_since = connections.since.get(key)
        if facts.connected_since is None:
            facts.away_since = (await read_ends(office, [key], user=key)).get(key)
    desired = await Bucket(office, DESIRED).read(_list_desired_keys(facts))
    kinds = {"state": shop, "findings": findings_key(shop), "desired": answer_key(shop)}
    return {
        **facts.describe(),
        "record": record.model_dump(mode="json", exclude={"code_sha256"}),
        "reported": {kind: _load(reported.get(key)) for kind, key in kinds.items()},
        "reported_at": {kind: reported[key].stored_at if key in reported else None for kind, key in kinds.items()},
        "desired": {
            key: {
                "revision": entry.revision,
                "changed_at": entry.stored_at,
                "document": None if (one := read_entry(key, entry)).is_damaged else one.document,
            }
            for key, entry in desired.items()
        },
    }


def parse_record(shop: str, value: bytes | None) -> ShopRecord | None:
    """Return the record of a shop, if there is one. Raises `DamagedEntry`."""
    if value is None:
        return None
    try:
        return ShopRecord.model_validate_json(value)
    except ValidationError as exc:
        raise damaged_shop(shop) from exc


def damaged_shop(shop: str) -> DamagedEntry:
    """Return the error for a shop whose record cannot be read."""
    return DamagedEntry(
        message(
            "the record of the shop {shop} is damaged: `sunmi-gateway office retire {shop}` locks its gateway out; "
            "then enrol it again",
            shop=shop,
        )
    )


def unknown_shop(shop: str) -> NotFound:
    """Return the error for a shop that is not enrolled."""
    return NotFound(
        message("no shop is called {shop}: `sunmi-gateway office shops` lists them, `office enrol` adds one", shop=shop)
    )


def unknown_group(group: str) -> NotFound:
    """Return the error for a group that no shop is in."""
    return NotFound(
        message("no shop is in the group {group}: `sunmi-gateway office groups list` shows them", group=group)
    )


def check_shops(shops: ShopList, names: Iterable[str]) -> None:
    """Raise `NotFound` for a name that no shop of the chain has."""
    for name in names:
        if shops.get(name).health is ShopHealth.RETIRED:
            raise NotFound(message("the shop {shop} is retired: leave it out", shop=name))


def _list_desired_keys(facts: ShopFacts) -> list[str]:
    groups = () if facts.record is None else facts.record.groups
    return [CHAIN_KEY, *(group_key(group) for group in groups), shop_key(facts.shop)]


def _load(entry: Entry | None) -> Any:
    """Return what a key holds as JSON; None if there is nothing, or nothing that can be read."""
    if entry is None or entry.value is None:
        return None
    try:
        return json_text.load_shallow(entry.value)
    except ValueError:
        return None


def _searched_text(facts: ShopFacts) -> str:
    title = "" if facts.record is None else facts.record.title
    troubles = (f"{one.name} {one.reason}" for one in facts.troubles)
    return " ".join([facts.shop, title, facts.version or "", *troubles]).casefold()


def _order(facts: ShopFacts) -> tuple[int, int, str, NaturalKey]:
    since = facts.since or ""
    return (
        HEALTH_ORDER[facts.health],
        -len(facts.troubles),
        since if facts.health is ShopHealth.AWAY else "",
        natural_key(facts.shop),
    )
