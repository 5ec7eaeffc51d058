"""How the servers of the chain are, as each of them says it: which one is silent, and which one stores nothing."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from firmware_tools.language import Message, message
from gateway.office.office import Office, translated
from gateway.office.server_requests import gather_responses

_HEALTH: Final = "$SYS.REQ.SERVER.PING.HEALTHZ"
_STOPPED: Final = ("not enabled", "write error")
"""What a server says of itself that stores nothing more until it is started again."""


class ServerTrouble(NamedTuple):
    """A server that is not as it should be."""

    server: str
    """Its name, which is that of its folder."""
    address: str
    """Where shops reach it."""
    reason: Message
    """What is wrong, and what to do."""

    def describe(self) -> dict[str, str]:
        """Return it as JSON."""
        return self._asdict()


async def read_server_troubles(office: Office) -> Sequence[ServerTrouble]:
    """Ask every server how it is, and return those that store nothing or are silent.

    One that is behind, as after its start, is left out: it catches up by itself. Raises `HeadOfficeUnavailable`.
    """
    places = office.folder.plan.places
    with translated(office.folder):
        wanted = json.dumps({"details": True}).encode()
        responses = await gather_responses(office.observer, _HEALTH, wanted, expected=len(places))
    documents = [json.loads(one.payload) for one in responses]
    health = {str(one["server"]["name"]): one.get("data") or {} for one in documents}
    return [
        ServerTrouble(place.name, str(place.address), reason)
        for place in places
        if (reason := _find_trouble(health.get(place.name))) is not None
    ]


def _find_trouble(health: Mapping[str, Any] | None) -> Message | None:
    """Return what is wrong with a server that says this of itself; None of what is silent."""
    if health is None:
        return message("it does not answer: see that it runs, and that the other servers reach it")
    reasons = [str(one.get("error")) for one in health.get("errors") or ()]
    for reason in reasons:
        if any(words in reason for words in _STOPPED):
            return message(
                "it stores nothing until it is started again: see that its disk has room, then start it again: "
                "{reason}",
                reason=reason,
            )
    return None
