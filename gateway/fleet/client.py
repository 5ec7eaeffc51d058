"""The client library, as it is used here: nothing that another user of the servers sends ends a connection.

A stream's answer goes to whatever subject the sender of a message names, and has the headers that were stored. So
subject and headers of what arrives can be any bytes. The library stops reading at those that are no UTF-8, and takes
some that are no space for one.
"""

import re
from typing import Any, Final

import nats.protocol.parser
from nats.aio.client import Client
from nats.aio.msg import Msg

_SUBJECT: Final = rb"[^ \t\r\n]+"
# Servers part a line at spaces and tabs alone; by default `\v` and `\f` part it, too, and the line makes no sense.
nats.protocol.parser.MSG_RE = re.compile(rb"\AMSG[ \t]+(%b)[ \t]+(\d+)[ \t]+((%b)[ \t]+)?(\d+)\r\n" % ((_SUBJECT,) * 2))
nats.protocol.parser.HMSG_RE = re.compile(
    rb"\AHMSG[ \t]+(%b)[ \t]+(\d+)[ \t]+((%b)[ \t]+)?(\d+)[ \t]+(\d+)\r\n" % ((_SUBJECT,) * 2)
)


class FleetClient(Client):
    """A connection to the servers of a chain."""

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        """Read the headers of a message, whatever bytes they are. Of those with one name, the last one counts."""
        if not headers:
            return None
        first, *lines = headers.split(b"\r\n")
        status, _, description = first.partition(b" ")[2].decode("utf-8", "replace").strip().partition(" ")
        found = {"Status": status} if status.isascii() and status.isdecimal() else {}
        if found and description:
            found["Description"] = description
        for line in lines:
            name, _, value = line.decode("utf-8", "replace").partition(":")
            if name:
                found[name] = value.strip()
        return found or None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg | None:
        """Return a message; None for one that nobody of the chain sends, since its subject is no text."""
        try:
            message: Any = super()._build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            return None
        return message if isinstance(message, Msg) else None
