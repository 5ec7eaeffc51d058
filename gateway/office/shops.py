"""The shops of a chain: all of them at a glance, the worst first, and one as a whole."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from firmware_tools.language import message
from gateway.errors import NotFound
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
from gateway.office.bucket import Bucket, Entry
from gateway.office.connections import read_connections, read_ends
from gateway.office.office import Office
from gateway.office.shop_facts import HEALTH_ORDER, ShopFacts, ShopHealth
from gateway.protocol import json_text

MIN_INTERVAL_S: Final = 5.0
"""How often the servers are asked at most who is connected."""
MAX_SHARE: Final = 0.05
"""Which share of the time goes into asking them at most."""


class ShopList:
    """The shops, as of the last `refresh`, which reads what has changed since the one before."""

    def __init__(self, office: Office) -> None:
        """Take the connection; nothing is read before `refresh`."""
        self._office = office
        self._shops: dict[str, ShopFacts] = {}
        self._users: dict[str, ShopFacts] = {}
        """The shops that have joined, by public key."""
        self._records_read = 0
        self._reports_read = 0
        self._ask_again_at = 0.0
        self._asked: set[str] = set()
        """Who is away, where the servers were asked since when."""
        self.servers = 0
        """How many servers have said who is connected."""
        self.servers_expected = 0
        """How many servers there are."""

    async def refresh(self, *, asks: bool = False) -> None:
        """Read what has changed. Who is connected is asked now and then; at once if `asks`.

        Raises `HeadOfficeUnavailable`.
        """
        async for entry in Bucket(self._office, SHOPS).entries(after=self._records_read):
            self.take_record(entry)
        async for entry in Bucket(self._office, REPORTED).entries(after=self._reports_read):
            self.take_report(entry)
        if asks or time.monotonic() >= self._ask_again_at:
            await self._refresh_connections()

    def take_record(self, entry: Entry) -> None:
        """Take a record of the bucket `shops`."""
        self._records_read = max(self._records_read, entry.revision)
        facts = self._shops.setdefault(entry.key, ShopFacts(entry.key))
        if facts.record is not None:
            self._users.pop(facts.record.public_key, None)
        facts.take_record(entry.value)
        if facts.record is not None and facts.record.state == "joined":
            self._users[facts.record.public_key] = facts
        else:
            facts.connected_since = facts.away_since = None

    def take_report(self, entry: Entry) -> None:
        """Take what a shop reports in the bucket `reported`."""
        self._reports_read = max(self._reports_read, entry.revision)
        shop, _, kind = entry.key.partition(".")
        self._shops.setdefault(shop, ShopFacts(shop)).take_report(kind, entry.value, entry.stored_at)

    def get(self, shop: str) -> ShopFacts:
        """Return a shop. Raises `NotFound`."""
        facts = self._shops.get(shop)
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

    def groups(self) -> Mapping[str, int]:
        """How many shops each group has, by name, without retired ones."""
        found = Counter(
            group
            for facts in self
            if facts.record is not None and facts.health is not ShopHealth.RETIRED
            for group in facts.record.groups
        )
        return dict(sorted(found.items()))

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
        connections = await read_connections(self._office)
        self.servers, self.servers_expected = connections.servers, connections.expected
        ended: list[str] = []
        for user, facts in self._users.items():
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
        self._ask_again_at = now + max(MIN_INTERVAL_S, (now - begun) / MAX_SHARE)


async def load_shops(office: Office) -> ShopList:
    """Read all shops. Raises `HeadOfficeUnavailable`."""
    shops = ShopList(office)
    await shops.refresh()
    return shops


async def load_shop(office: Office, shop: str) -> dict[str, Any]:
    """Return one shop as a whole, as JSON: what it reports, and what is desired of it. Raises `NotFound`."""
    record = await Bucket(office, SHOPS).get(shop)
    facts = ShopFacts(shop)
    facts.take_record(record.value)
    if facts.record is None:
        raise unknown_shop(shop)
    reported = await Bucket(office, REPORTED).read([shop, f"{shop}.>"])
    for entry in reported.values():
        facts.take_report(entry.key.partition(".")[2], entry.value, entry.stored_at)
    if facts.record.state == "joined":
        key = facts.record.public_key
        connections = await read_connections(office, user=key)
        facts.connected_since = connections.since.get(key)
        if facts.connected_since is None:
            facts.away_since = (await read_ends(office, [key], user=key)).get(key)
    desired = await Bucket(office, DESIRED).read(_list_desired_keys(facts))
    kinds = {"state": shop, "findings": findings_key(shop), "desired": answer_key(shop)}
    return {
        **facts.describe(),
        "record": facts.record.model_dump(mode="json", exclude={"code_sha256"}),
        "reported": {kind: _load(reported.get(key)) for kind, key in kinds.items()},
        "reported_at": {kind: reported[key].stored_at if key in reported else None for kind, key in kinds.items()},
        "desired": {
            key: {"revision": entry.revision, "changed_at": entry.stored_at, "document": _load(entry)}
            for key, entry in desired.items()
        },
    }


def unknown_shop(shop: str) -> NotFound:
    """Return the error for a shop that is not enrolled."""
    return NotFound(
        message("no shop is called {shop}: `sunmi-gateway office shops` lists them, `office enrol` adds one", shop=shop)
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
        return json_text.loads(entry.value)
    except ValueError:
        return None


def _searched_text(facts: ShopFacts) -> str:
    title = "" if facts.record is None else facts.record.title
    troubles = (f"{one.name} {one.reason}" for one in facts.troubles)
    return " ".join([facts.shop, title, facts.version or "", *troubles]).casefold()


def _order(facts: ShopFacts) -> tuple[int, int, str, str]:
    since = facts.since or ""
    return (
        HEALTH_ORDER[facts.health],
        -len(facts.troubles),
        since if facts.health is ShopHealth.AWAY else "",
        facts.shop,
    )
