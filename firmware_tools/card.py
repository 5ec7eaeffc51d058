"""What a firmware card is: the file it carries, for which camera, and the record of it that travels with the card."""

import struct
import uuid
import zlib
from dataclasses import dataclass
from enum import Enum, StrEnum

from firmware_tools.mac import Mac

_DESCRIPTION_GUID = uuid.UUID("6f0c5a3e-2d0b-4a51-9c0e-7b5d1f53c6a1")
_SHA256_GUID = uuid.UUID("b1a4d7f2-93c8-4e6f-8a57-20e9c4d3b65e")
_DESCRIPTION = struct.Struct("<B6sBBB22s")
_FORMAT = 1
LONGEST_VERSION = 22


class CardFile(Enum):
    """Where the firmware lies on a card, which tells the camera what to do with it (NOTES: Firmware card)."""

    UPDATE = "firmware/ipc-up.bin"
    UPDATE_AS_MISPRINTED = "firmware/ip-up.bin"
    RECOVERY = "up.bin"

    @property
    def mode(self) -> str:
        """`update`, for a camera that runs, or `recovery`, for one whose firmware is corrupt."""
        return "recovery" if self is CardFile.RECOVERY else "update"

    @property
    def led_sequence(self) -> str:
        """What the camera's LED shows when all goes well."""
        if self is CardFile.RECOVERY:
            return "red steady after about 10 s, for about 1 minute; then the camera restarts"
        return "red blinking after about 1 minute, for about 1 minute; then green, then blue"


class Model(StrEnum):
    """A camera model; firmware is not interchangeable between them."""

    FM010 = "FM010"
    FM020 = "FM020"


class Channel(StrEnum):
    """The vendor's environment that a firmware belongs to."""

    UAT = "uat"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is wanted."""

    mac: Mac
    file: CardFile = CardFile.UPDATE
    model: Model | None = None
    channel: Channel | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class CardRecord:
    """A card and the SHA-256 of its firmware, kept on the card itself.

    It lies in the boot region, among the OEM parameters that exFAT reserves for this: no file, invisible to
    cameras, and guarded by the boot region's checksum.
    """

    card: Card
    sha256: bytes

    @property
    def serial(self) -> int:
        """A volume serial number that follows from the content: the same input gives the same card."""
        return zlib.crc32(self.card.mac.value + self.sha256)

    def to_oem_parameters(self) -> bytes:
        """Return the record as two OEM parameters."""
        card = self.card
        description = _DESCRIPTION.pack(
            _FORMAT,
            card.mac.value,
            1 + _position(CardFile, card.file),
            0 if card.model is None else 1 + _position(Model, card.model),
            0 if card.channel is None else 1 + _position(Channel, card.channel),
            (card.version or "").encode("ascii"),
        )
        return _DESCRIPTION_GUID.bytes_le + description + _SHA256_GUID.bytes_le + self.sha256

    @classmethod
    def from_oem_parameters(cls, parameters: bytes) -> "CardRecord | None":
        """Read the record back; None for a card that was made by other means."""
        if parameters[:16] != _DESCRIPTION_GUID.bytes_le or parameters[48:64] != _SHA256_GUID.bytes_le:
            return None
        version_of_format, mac, file, model, channel, version = _DESCRIPTION.unpack(parameters[16:48])
        files, models, channels = list(CardFile), [None, *Model], [None, *Channel]
        if version_of_format != _FORMAT or not (
            1 <= file <= len(files) and model < len(models) and channel < len(channels)
        ):
            return None
        text = version.rstrip(b"\0").decode("ascii", "replace") or None
        return cls(Card(Mac(mac), files[file - 1], models[model], channels[channel], text), parameters[64:96])


def _position(kinds: type[Enum], kind: Enum) -> int:
    return list(kinds).index(kind)
