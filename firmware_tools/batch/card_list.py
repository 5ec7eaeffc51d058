"""The list of the cards of a batch, checked as a whole before anything is written."""

from dataclasses import dataclass
from pathlib import Path

from firmware_tools.card import CameraModel, CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.errors import InvalidInput
from firmware_tools.firmware import Firmware, load_firmware, parse_sha256
from firmware_tools.language import message
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter
from firmware_tools.spreadsheet import InvalidCell, SpreadsheetColumn, SpreadsheetRow, read_spreadsheet

CARD_LIST_COLUMNS = (
    SpreadsheetColumn(
        "mac", ("mac address", "mac addr", "camera mac", "mac地址", "设备mac", "物理地址"), is_required=True
    ),
    SpreadsheetColumn("model", ("camera model", "device model", "型号", "设备型号", "摄像头型号"), is_required=True),
    SpreadsheetColumn("firmware", ("firmware file", "固件", "固件文件", "固件包"), is_required=True),
    SpreadsheetColumn("channel", ("environment", "环境", "渠道")),
    SpreadsheetColumn("version", ("firmware version", "版本", "版本号", "固件版本")),
    SpreadsheetColumn("sha256", ("checksum", "校验值", "校验码")),
    SpreadsheetColumn("mode", ("模式", "升级方式")),
)
_FIRMWARE_PATHS = {
    "": FirmwarePath.UPDATE,
    "update": FirmwarePath.UPDATE,
    "升级": FirmwarePath.UPDATE,
    "recovery": FirmwarePath.RECOVERY,
    "恢复": FirmwarePath.RECOVERY,
}


@dataclass(frozen=True, slots=True)
class ListedCard:
    """One card of the list."""

    line: int
    """Line of the file."""
    spec: CardSpec
    """What the card is to be."""
    firmware: Firmware
    """The firmware for it."""
    sha256: bytes
    """SHA-256 of the firmware."""


@dataclass(frozen=True, slots=True)
class CardList:
    """The cards of a batch."""

    cards: list[ListedCard]
    """In the order of the list."""
    description: str
    """How the list was read, in one line."""


def read_card_list(path: Path, progress: ProgressReporter, *, force_firmware: bool = False) -> CardList:
    """Read a list of cards with the columns mac, model, firmware; and optionally channel, version, sha256, mode.

    The path of a firmware is relative to the folder of the list.

    Raises:
        InvalidInput: something is wrong; the message names every line that is.
        IOFailed: the list cannot be read.

    """
    sheet = read_spreadsheet(path, CARD_LIST_COLUMNS)
    if not sheet.rows:
        raise InvalidInput(message("{path}: the list is empty: there are headings, but no cards", path=path))
    parser = _CardParser(path.parent, progress, force_firmware=force_firmware)
    return CardList(sheet.parse_rows(parser.parse), sheet.describe())


def find_shared_labels(cards: list[ListedCard]) -> list[str]:
    """Return a note for each volume label that several cameras share: their cards look alike."""
    cameras: dict[str, list[str]] = {}
    for card in cards:
        cameras.setdefault(card.spec.mac.volume_label, []).append(str(card.spec.mac))
    return [
        message("{macs} have the same label {label}: keep their cards apart", macs=" and ".join(macs), label=label)
        for label, macs in cameras.items()
        if len(macs) > 1
    ]


class _CardParser:
    """Parses the rows of one list; loads each firmware once, and knows the cameras of earlier rows."""

    def __init__(self, folder: Path, progress: ProgressReporter, *, force_firmware: bool) -> None:
        self._folder, self._progress, self._force_firmware = folder, progress, force_firmware
        self._firmwares: dict[str, tuple[Firmware, bytes]] = {}
        self._lines_by_mac: dict[Mac, int] = {}

    def parse(self, row: SpreadsheetRow) -> ListedCard:
        """Parse one row; raise `InvalidInput` if something in it is wrong."""
        with row.cell("mac") as mac_text:
            mac = Mac.parse(mac_text)
        with row.cell("model") as model:
            CameraModel.parse(model)
        with row.cell("channel") as channel:
            FirmwareChannel.parse(channel)
        with row.cell("mode") as mode:
            if mode.lower() not in _FIRMWARE_PATHS:
                raise InvalidInput(message("mode {mode!r}: it is update or recovery", mode=mode))
            path = _FIRMWARE_PATHS[mode.lower()]
        with row.cell("version") as version:
            spec = CardSpec.parse(mac_text, path, model=model, channel=channel, version=version)
        with row.cell("firmware") as name:
            firmware, sha256 = self._load_firmware(name)
        with row.cell("sha256") as expected:
            if expected and parse_sha256(expected) != sha256:
                raise InvalidInput(
                    message(
                        "firmware {name}: its SHA-256 is {hex}, not the one in the list", name=name, hex=sha256.hex()
                    )
                )
        first_line = self._lines_by_mac.setdefault(mac, row.line)
        if first_line != row.line:
            raise InvalidCell("mac", message("the camera {mac} is already in line {line}", mac=mac, line=first_line))
        return ListedCard(row.line, spec, firmware, sha256)

    def _load_firmware(self, name: str) -> tuple[Firmware, bytes]:
        """Return the firmware of this name and its SHA-256."""
        if not name:
            raise InvalidInput(message("no firmware is named"))
        if name not in self._firmwares:
            firmware = load_firmware([self._folder / name], force=self._force_firmware)
            self._firmwares[name] = (firmware, firmware.compute_sha256(self._progress))
        return self._firmwares[name]
