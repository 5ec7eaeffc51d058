"""What the pages of the shop share: their tabs."""

from dataclasses import dataclass
from typing import Final

from firmware_tools.language import Message, message
from gateway.protocol.endpoint import Scope

ACCESS: Final = "/console/shop"
BACKUP: Final = "/console/shop/backup"
CARDS: Final = "/console/shop/cards"
SETTINGS: Final = "/console/shop/settings"
AUDIT: Final = "/console/shop/audit"


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the pages of the shop."""

    address: str
    """Where it is."""
    title: Message
    """What people call it."""
    scope: Scope
    """The scope that the session needs."""


TABS: Final = (
    Tab(ACCESS, message("Access"), "installer"),
    Tab(CARDS, message("Firmware cards"), "installer"),
    Tab(SETTINGS, message("Settings"), "admin"),
    Tab(BACKUP, message("Backup and version"), "admin"),
    Tab(AUDIT, message("Who did what"), "admin"),
)
"""The pages of the shop, in the order in which they are shown."""
