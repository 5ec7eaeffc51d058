"""The result of verifying a card, and which foreign files are tolerated on one."""

from dataclasses import dataclass, field

from firmware_tools.card import CardRecord, FirmwarePath
from firmware_tools.exfat.upcase import upcase_name

_OS_METADATA_NAMES = {
    "SYSTEM VOLUME INFORMATION",
    "$RECYCLE.BIN",
    ".FSEVENTSD",
    ".SPOTLIGHT-V100",
    ".TRASHES",
    ".TEMPORARYITEMS",
    ".DS_STORE",
}


@dataclass(slots=True)
class VerificationResult:
    """What verification found on a card; whatever comes after the first fault stays unknown."""

    fault: str | None = None
    """The first fault; None if there is none."""
    label: str | None = None
    """Volume label."""
    firmware_path: FirmwarePath | None = None
    """Which firmware file the card has."""
    firmware_size: int | None = None
    """Bytes of the firmware."""
    sha256: str | None = None
    """SHA-256 of the firmware, in hex."""
    record: CardRecord | None = None
    """The record stored on the card; None if another program made it."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, although it is no fault."""

    @property
    def is_good(self) -> bool:
        """Whether a camera can use the card."""
        return self.fault is None


def is_os_metadata(name: str) -> bool:
    """Return whether Windows or macOS puts a file or folder of this name on every card; cameras ignore them."""
    return upcase_name(name) in _OS_METADATA_NAMES or name.startswith("._")
