"""The result of verifying a card, and what its files are: firmware, misnamed firmware, or left by a computer."""

import hashlib
import re
from dataclasses import dataclass, field

from firmware_tools.card import CardRecord, FirmwarePath
from firmware_tools.exfat.upcase import upcase_name
from firmware_tools.firmware_content import CONTENT_HEAD_SIZE, find_content_fault, find_size_fault
from firmware_tools.language import message

FIRMWARE_FOLDER = "firmware"
_ENDING = ".bin"
_OS_METADATA_NAME = re.compile(
    r"SYSTEM VOLUME INFORMATION|\$RECYCLE\.BIN|RECYCLER|RECYCLED|DESKTOP\.INI|THUMBS\.DB|INDEXERVOLUMEGUID"  # Windows
    r"|\.FSEVENTSD|\.SPOTLIGHT-V100|\.TRASHES|\.TEMPORARYITEMS|\.DS_STORE|\.METADATA_NEVER_INDEX|\.APDISK"  # macOS
    r"|\.METADATA_DIRECT_SCOPE_ONLY|\.VOLUMEICON\.ICNS|\.DOCUMENTREVISIONS-V100|\.COM\.APPLE\.TIMEMACHINE\..*|\._.*"
    r"|\.TRASH|\.TRASH-\d+|LOST\+FOUND|\.DIRECTORY|\.XDG-VOLUME-INFO|\.FUSE_HIDDEN[0-9A-F]+"  # Linux
    r"|LOST\.DIR|\.ANDROID_SECURE|\.NOMEDIA"  # Android
)


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


class ReadBackContent:
    """The content of the firmware on a card, while it is read."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._is_one_byte = True

    def add(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._digest.update(chunk)
        self._head += chunk[: CONTENT_HEAD_SIZE - len(self._head)]
        self._size += len(chunk)
        self._is_one_byte = self._is_one_byte and chunk.count(self._head[:1]) == len(chunk)

    @property
    def sha256(self) -> bytes:
        """SHA-256 of all of it."""
        return self._digest.digest()

    def find_fault(self) -> str | None:
        """Return why it can be no firmware, or None."""
        if self._is_one_byte:
            return message("each of its bytes is 0x{byte}; write the card again", byte=self._head[:1].hex().upper())
        return find_content_fault(self._head) or find_size_fault(self._size)


def is_os_metadata(name: str) -> bool:
    """Return whether a computer or phone puts a file or folder of this name on a card; cameras ignore them."""
    return _OS_METADATA_NAME.fullmatch(upcase_name(name)) is not None


def is_same_name(one: str, other: str) -> bool:
    """Return whether two names or paths mean the same file: exFAT does not distinguish capitals."""
    return upcase_name(one) == upcase_name(other)


def find_firmware_path(path: str) -> FirmwarePath | None:
    """Return which firmware file a path on a card is, or None."""
    return next((known for known in FirmwarePath if is_same_name(path, known.value)), None)


def is_firmware_with_doubled_ending(path: str) -> bool:
    """Return whether a file would be a firmware if `.bin` were not twice in its name."""
    stem = path[: -len(_ENDING)]
    return is_same_name(path[len(stem) :], _ENDING) and find_firmware_path(stem) is not None


def describe_misnamed_firmware(path: str) -> str | None:
    """Return why cameras do not find the firmware at this path, and what to do; None if it is no firmware."""
    if is_firmware_with_doubled_ending(path):
        name = path.rpartition("/")[2]
        return message(
            "{path}: the ending .bin is twice in its name (Windows hides it): rename it to {name}",
            path=path,
            name=name[: -len(_ENDING)],
        )
    for known in FirmwarePath:
        name = known.value.rpartition("/")[2]
        if is_same_name(path.rpartition("/")[2].removesuffix(_ENDING) + _ENDING, name):
            return message("{path}: cameras look for it as {value}: move it there", path=path, value=known.value)
    return None
