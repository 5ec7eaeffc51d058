"""Writing cards in the drives of this computer: the interface of its two variants, raw and mounted."""

from dataclasses import dataclass
from typing import Protocol

from firmware_tools.card import CardSpec
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.firmware import Firmware


@dataclass(frozen=True, slots=True)
class WrittenCard:
    """A card that was written and read back."""

    drive: Drive
    """The drive that the card is in, as the system reports it now."""
    sha256: str
    """SHA-256 of the firmware, in hex."""
    notes: tuple[str, ...] = ()
    """What the user should know."""


class CardWriter(Protocol):
    """Writes firmware cards in the drives of this computer."""

    def list_drives(self) -> list[Drive]:
        """List all drives, offered or not."""

    def write(
        self,
        drive: Drive,
        spec: CardSpec,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        check_capacity: bool = False,
    ) -> WrittenCard:
        """Make the card in a drive a firmware card, and read it back; raise a `CardError` if that fails."""

    def identify_card(self, drive: Drive) -> str | None:
        """Return the MAC address or volume label of the card in a drive; None if it is no firmware card."""

    def eject(self, drive: Drive) -> bool:
        """Eject the card in a drive; return whether the system did so."""
