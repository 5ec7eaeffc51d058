"""What a connection to the head office is used for, as parts that know nothing of each other."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection


class LinkPart:
    """A part of the link. It outlives connections.

    It may raise any `GatewayError`: then the link starts again. After `StreamUnavailable` it is called again for a
    while before that; while there is `NoRoom` for what it sends, it alone rests.
    """

    def start(self) -> None:
        """Begin what goes on without a connection, too."""

    async def begin(self, connection: "FleetConnection") -> None:
        """Begin with a new connection, or anew after another gateway of this shop has gone."""

    async def work(self, connection: "FleetConnection") -> bool:
        """Do what is due now; return whether more is due."""
        return False

    async def close(self) -> None:
        """Stop for good."""
