"""Which shops are connected, as the servers say it: it is never guessed from silence.

A user of the servers is known by its key, which it has proved to have; the name that it gives itself proves nothing.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import nats.js.errors

from gateway.office import jwt
from gateway.office.office import Office, translated
from gateway.office.servers import ChainServer, WrongClock, find_wrong_clocks, list_servers
from gateway.runtime.timestamps import utc_text

PAGE: Final = 10_000
"""How many connections a server lists at once, 17 MB with the token of each. For every page it describes all of its
connections anew, so more and smaller ones would cost it much."""
CLOSED_PAGE: Final = 500
"""The same for ended connections: the newest are listed first, and mostly those are wanted."""
OVERLAP: Final = 20
"""How many connections of the page before are listed again: some end meanwhile, and later ones move up."""
MAX_CLOSED_PAGES: Final = 20
"""How many pages of ended connections of a server are read; it remembers 10,000."""
LIST_TIMEOUT_S: Final = 15.0
"""How long a page is waited for. A server may have much else to do, as when all shops come back at once."""
_CLOSED: Final = 1
"""The servers' number for connections that have ended."""


@dataclass(slots=True)
class ChainConnections:
    """The connections of the chain, by the public keys of their users."""

    since: dict[str, str] = field(default_factory=dict)
    """Since when each user is connected, in UTC."""
    servers: int = 0
    """How many servers have said who is connected."""
    expected: int = 0
    """How many there are: who seems to be away may be connected to one that is silent."""
    wrong_clocks: Sequence[WrongClock] = ()
    """The servers whose clocks are wrong."""


async def read_connections(office: Office, *, users: Collection[str] | None = None) -> ChainConnections:
    """Ask every server who is connected, or which of some users are. Raises `HeadOfficeUnavailable`."""
    with translated(office.folder):
        servers = await list_servers(office.observer)
        wrong = find_wrong_clocks(servers)
        found = ChainConnections(servers=len(servers), expected=len(office.folder.plan.servers), wrong_clocks=wrong)
        for server in servers:
            behind_s = _find_delay(server, wrong)
            for user in [""] if users is None else users:
                async for one in _list_open(office, server.id, user):
                    begun, known = _utc(one.get("start"), behind_s), _find_user(one)
                    found.since[known] = min(begun, found.since.get(known, begun))
    found.since.pop("", None)
    return found


async def read_shops(office: Office) -> Mapping[str, str]:
    """Return the public key of each shop that is connected, by its name, as its token says.

    Raises `HeadOfficeUnavailable`.
    """
    issuer, found = office.folder.shops_key.public, dict[str, str]()
    with translated(office.folder):
        for server in await list_servers(office.observer):
            async for one in _list_open(office, server.id, ""):
                with contextlib.suppress(ValueError):  # no shop
                    public_key, shop = jwt.read_shop(str(one.get("jwt")), issuer)
                    if public_key == _find_user(one):
                        found[shop] = public_key
    return found


async def read_ends(office: Office, users: Collection[str], *, user: str = "") -> Mapping[str, str]:
    """Return since when users are away, in UTC, by public key, as far as the servers remember it.

    With `user` only connections of this one are read. A server that was started again remembers nothing. Raises
    `HeadOfficeUnavailable`.
    """
    ends: dict[str, str] = {}
    if not users:
        return ends
    with translated(office.folder):
        servers = await list_servers(office.observer)
        wrong = find_wrong_clocks(servers)
        for server in servers:
            missing, behind_s = set(users), _find_delay(server, wrong)
            for page in range(MAX_CLOSED_PAGES):
                options = {"state": _CLOSED, "sort": "stop", "offset": page * CLOSED_PAGE, "user": user}
                listed = await _ask(office, server.id, options, CLOSED_PAGE)
                for one in listed:
                    ended = _find_user(one)
                    if ended in missing:
                        missing.discard(ended)
                        ends[ended] = max(ends.get(ended, ""), _utc(one.get("stop"), behind_s))
                if len(listed) < CLOSED_PAGE or not missing:
                    break
    return ends


def _find_user(connection: Mapping[str, Any]) -> str:
    """Return the public key of the user of a connection; empty if it does not say that.

    By MQTT a client is listed by the name that it gives itself, which may be the key of a shop.
    """
    return "" if connection.get("type") == "mqtt" else str(connection.get("authorized_user"))


async def _list_open(office: Office, server: str, user: str) -> AsyncIterator[Mapping[str, Any]]:
    """Yield each connection of a server that is open; of one user unless that is empty.

    They are listed by their numbers, which only grow.
    """
    offset, last = 0, 0
    while True:
        listed = await _ask(office, server, {"offset": offset, "user": user}, PAGE)
        if listed and int(listed[0]["cid"]) > last and offset > 0:
            offset = max(0, offset - PAGE)  # more have ended meanwhile than overlap
            continue
        for one in listed:
            if int(one["cid"]) > last:
                yield one
        if len(listed) < PAGE:
            return
        last = max(last, int(listed[-1]["cid"]))
        offset += PAGE - OVERLAP


async def _ask(office: Office, server: str, options: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    request = {"auth": True, "limit": limit, **options}
    response = await office.observer.request(
        f"$SYS.REQ.SERVER.{server}.CONNZ", json.dumps(request).encode(), timeout=LIST_TIMEOUT_S
    )
    document = json.loads(response.data)
    if "error" in document:
        raise nats.js.errors.APIError(description=str(document["error"].get("description")))
    return list(document["data"].get("connections") or [])


def _find_delay(server: ChainServer, wrong: Sequence[WrongClock]) -> float:
    """Return by how much the clock of a server is behind, in seconds; 0 unless it is wrong."""
    return next((one.now - one.told for one in wrong if one.server == server.name), 0.0)


def _utc(time: object, behind_s: float) -> str:
    """Return a time of a server with whole seconds, as it is by right clocks."""
    text = f"{str(time)[:19]}Z"
    return utc_text(datetime.fromisoformat(text).timestamp() + behind_s) if behind_s else text
