"""Which shops are connected, as the servers say it: it is never guessed from silence.

A user of the servers is known by its key, which it has proved to have; the name that it gives itself proves nothing.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import nats.errors
import nats.js.errors

from gateway.office.office import Office, translated

PAGE: Final = 500
"""How many connections a server lists at once. With the token of each, that is a megabyte."""
OVERLAP: Final = 20
"""How many connections of the page before are listed again: some end meanwhile, and later ones move up."""
MAX_CLOSED_PAGES: Final = 20
"""How many pages of ended connections of a server are read; it remembers 10,000."""
FIRST_RESPONSE_S: Final = 5.0
"""How long the first server is waited for."""
OTHERS_S: Final = 2.0
"""How long the other servers are waited for after that: one that has just died is still counted."""
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
    """How many servers there are."""

    @property
    def is_complete(self) -> bool:
        """Whether all servers have said it. Else who seems to be away may be connected to a server that is silent."""
        return self.servers >= self.expected


async def read_connections(office: Office, *, user: str = "") -> ChainConnections:
    """Ask every server who is connected, or whether one user is. Raises `HeadOfficeUnavailable`."""
    with translated(office.folder):
        servers = await _list_servers(office)
        found = ChainConnections(servers=len(servers), expected=len(office.folder.plan.servers))
        for server in servers:
            async for one in _list_open(office, server, user):
                begun, known = _utc(one.get("start")), _find_user(one)
                found.since[known] = min(begun, found.since.get(known, begun))
    found.since.pop("", None)
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
        for server in await _list_servers(office):
            missing = set(users)
            for page in range(MAX_CLOSED_PAGES):
                options = {"state": _CLOSED, "sort": "stop", "offset": page * PAGE, "user": user}  # the newest first
                listed = await _ask(office, server, options)
                for one in listed:
                    ended = _find_user(one)
                    if ended in missing:
                        missing.discard(ended)
                        ends[ended] = max(ends.get(ended, ""), _utc(one.get("stop")))
                if len(listed) < PAGE or not missing:
                    break
    return ends


def _find_user(connection: Mapping[str, Any]) -> str:
    """Return the public key of the user of a connection; empty if it does not say that.

    By MQTT a client is listed by the name that it gives itself, which may be the key of a shop.
    """
    return "" if connection.get("type") == "mqtt" else str(connection.get("authorized_user"))


async def _list_open(office: Office, server: str, user: str) -> AsyncIterator[Mapping[str, Any]]:
    """Yield each connection of a server that is open. They are listed by their numbers, which only grow."""
    offset, last = 0, 0
    while True:
        listed = await _ask(office, server, {"offset": offset, "user": user})
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


async def _ask(office: Office, server: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    request = {"auth": True, "limit": PAGE, **options}
    response = await office.observer.request(
        f"$SYS.REQ.SERVER.{server}.CONNZ", json.dumps(request).encode(), timeout=FIRST_RESPONSE_S
    )
    document = json.loads(response.data)
    if "error" in document:
        raise nats.js.errors.APIError(description=str(document["error"].get("description")))
    return list(document["data"].get("connections") or [])


async def _list_servers(office: Office) -> list[str]:
    """Return the ids of the servers. One that is dead does not hold this up for long."""
    observer = office.observer
    inbox = observer.new_inbox()
    subscription = await observer.subscribe(inbox)
    found: list[str] = []
    try:
        await observer.publish("$SYS.REQ.SERVER.PING", b"", reply=inbox)
        expected, wait_s = 1, FIRST_RESPONSE_S
        while len(found) < expected:
            try:
                document = json.loads((await subscription.next_msg(timeout=wait_s)).data)
            except nats.errors.TimeoutError:
                if not found:
                    raise
                break
            found.append(str(document["server"]["id"]))
            expected = max(expected, int(document["statsz"].get("active_servers", 1)))
            wait_s = OTHERS_S
    finally:
        if not observer.is_closed:
            await subscription.unsubscribe()
    return found


def _utc(time: object) -> str:
    """Return a time of the servers with whole seconds."""
    return f"{str(time)[:19]}Z"
