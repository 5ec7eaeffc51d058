"""What a firmware card is for, and the record of it that is stored on the card."""

import re
import struct
import uuid
import zlib
from dataclasses import dataclass
from enum import Enum, StrEnum

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.mac import Mac

_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}(?:-(uat|release))?", re.ASCII)
_SPEC_GUID = uuid.UUID("6f0c5a3e-2d0b-4a51-9c0e-7b5d1f53c6a1")
_SHA256_GUID = uuid.UUID("b1a4d7f2-93c8-4e6f-8a57-20e9c4d3b65e")
_SPEC = struct.Struct("<B6sBBB22s")
_RECORD_VERSION = 1


class FirmwarePath(Enum):
    """Path of the firmware file on a card; it tells the camera what to do with it (NOTES: Firmware card)."""

    UPDATE = "firmware/ipc-up.bin"
    #: As one page of the vendor's documentation misspells it.
    UPDATE_MISSPELLED = "firmware/ip-up.bin"
    RECOVERY = "up.bin"

    @property
    def mode(self) -> str:
        """`update`, for a working camera, or `recovery`, for one whose firmware is corrupt."""
        return "recovery" if self is FirmwarePath.RECOVERY else "update"

    @property
    def led_sequence(self) -> str:
        """What the camera's LED shows during a successful update."""
        if self is FirmwarePath.RECOVERY:
            return message("red steady after about 10 s, for about 1 minute; then the camera restarts")
        return message("red blinking after about 1 minute, for about 1 minute; then green, then blue")


class CameraModel(StrEnum):
    """A camera model; each needs its own firmware."""

    FM010 = "FM010"
    FM020 = "FM020"

    @classmethod
    def parse(cls, text: str | None) -> "CameraModel | None":
        """Parse a model or one of its names; None if none is given. Raise `InvalidInput` for anything else."""
        if not text:
            return None
        model = _MODEL_NAMES.get(text.strip().upper())
        if model is None:
            raise InvalidInput(
                message("model {text!r}: cameras are FM010 (SS, Store Sense) or FM020 (FS, Face Sense)", text=text)
            )
        return model


class FirmwareChannel(StrEnum):
    """The vendor's environment that a firmware is built for."""

    UAT = "uat"
    RELEASE = "release"

    @classmethod
    def parse(cls, text: str | None) -> "FirmwareChannel | None":
        """Parse a channel; None if none is given. Raise `InvalidInput` for anything else."""
        if not text:
            return None
        if text.strip().lower() not in list(cls):
            raise InvalidInput(message("channel {text!r}: firmware is made for uat or release", text=text))
        return cls(text.strip().lower())


_MODEL_NAMES = {
    "FM010": CameraModel.FM010,
    "SS": CameraModel.FM010,
    "SS1": CameraModel.FM010,
    "FM020": CameraModel.FM020,
    "FS": CameraModel.FM020,
    "FS1": CameraModel.FM020,
}


@dataclass(frozen=True, slots=True)
class CardSpec:
    """What a card is to be."""

    mac: Mac
    """MAC address of the camera."""
    firmware_path: FirmwarePath = FirmwarePath.UPDATE
    """Where the firmware goes on the card."""
    model: CameraModel | None = None
    """The model that the firmware is for, if known."""
    channel: FirmwareChannel | None = None
    """The environment that the firmware is for, if known."""
    version: str | None = None
    """The firmware's version, if known."""

    @classmethod
    def parse(
        cls, mac: str, firmware_path: FirmwarePath, *, model: str | None, channel: str | None, version: str | None
    ) -> "CardSpec":
        """Parse what the user gave; raise `InvalidInput` for bad or contradictory values. Empty means unknown."""
        parsed_mac = Mac.parse(mac)
        parsed_model, parsed_channel = CameraModel.parse(model), FirmwareChannel.parse(channel)
        if version:
            match = _VERSION.fullmatch(version.strip())
            if match is None:
                raise InvalidInput(
                    message(
                        "version {version!r}: the vendor writes versions like 1.2.0-release or 1.2.0-uat",
                        version=version,
                    )
                )
            if match[1] and parsed_channel not in (None, match[1]):
                raise InvalidInput(
                    message(
                        "version {version!r} does not belong to the {channel} channel",
                        version=version,
                        channel=parsed_channel,
                    )
                )
            parsed_channel = FirmwareChannel(match[1]) if match[1] else parsed_channel
        return cls(parsed_mac, firmware_path, parsed_model, parsed_channel, version.strip() if version else None)

    @property
    def installer_notes(self) -> list[str]:
        """What the installer must check, because the card cannot show it."""
        unknown = message("which is not recorded with this card")
        notes: list[str] = [
            message(
                "a camera accepts only firmware of its own model ({model}) and of another version than it runs "
                "({version})",
                model=message("this is for {model}", model=self.model) if self.model else unknown,
                version=message("this is {version}", version=self.version) if self.version else unknown,
            )
        ]
        if self.firmware_path is FirmwarePath.UPDATE_MISSPELLED:
            notes.append(
                message(
                    "ip-up.bin is the spelling on one page of the vendor's documentation; if the camera does not "
                    "update, use ipc-up.bin"
                )
            )
        return notes


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What a card was written with, stored on the card itself.

    It lies in the boot region, among the OEM parameters that exFAT reserves for such data: cameras do not see it, and
    the checksum of the boot region protects it.
    """

    spec: CardSpec
    """What the card was to be."""
    sha256: bytes
    """SHA-256 of the firmware."""

    @property
    def volume_serial(self) -> int:
        """Serial number of the volume, derived from the content: the same input gives the same card."""
        return zlib.crc32(self.spec.mac.octets + self.sha256)

    def to_oem_parameters(self) -> bytes:
        """Encode the record as two OEM parameters."""
        spec = self.spec
        encoded = _SPEC.pack(
            _RECORD_VERSION,
            spec.mac.octets,
            1 + list(FirmwarePath).index(spec.firmware_path),
            0 if spec.model is None else 1 + list(CameraModel).index(spec.model),
            0 if spec.channel is None else 1 + list(FirmwareChannel).index(spec.channel),
            (spec.version or "").encode("ascii"),
        )
        return _SPEC_GUID.bytes_le + encoded + _SHA256_GUID.bytes_le + self.sha256

    @classmethod
    def from_oem_parameters(cls, parameters: bytes) -> "CardRecord | None":
        """Decode the record; return None for a card that another program made."""
        if parameters[:16] != _SPEC_GUID.bytes_le or parameters[48:64] != _SHA256_GUID.bytes_le:
            return None
        record_version, octets, path, model, channel, version = _SPEC.unpack(parameters[16:48])
        paths, models, channels = list(FirmwarePath), [None, *CameraModel], [None, *FirmwareChannel]
        if record_version != _RECORD_VERSION or not (
            1 <= path <= len(paths) and model < len(models) and channel < len(channels)
        ):
            return None
        text = version.rstrip(b"\0").decode("ascii", "replace") or None
        return cls(CardSpec(Mac(octets), paths[path - 1], models[model], channels[channel], text), parameters[64:96])
