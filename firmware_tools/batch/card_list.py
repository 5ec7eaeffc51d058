"""The list of the cards of a batch, checked as a whole before anything is written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_tools.batch.known_cameras import KnownCamera, find_known
from firmware_tools.card import CameraModel, CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.errors import InvalidInput
from firmware_tools.firmware import Firmware, load_firmware, parse_sha256
from firmware_tools.language import message
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter
from firmware_tools.spreadsheet import (
    InvalidCell,
    Spreadsheet,
    SpreadsheetColumn,
    SpreadsheetError,
    SpreadsheetRow,
    read_spreadsheet,
)

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
    SpreadsheetColumn("sn", ("serial number", "serial", "S/N", "序列号", "SN号", "设备序列号")),
    SpreadsheetColumn("name", ("camera name", "名称", "设备名称", "摄像头名称", "名字")),
    SpreadsheetColumn("place", ("location", "position", "位置", "安装位置", "地点")),
)
"""The last three are those of a site plan, whose list is taken too."""
_DEFAULT_ROWS = ("*", "default", "defaults", "默认", "全部")
"""What a site plan has in place of a serial number in the row that is for the whole list."""
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
    name: str = ""
    """The name of the camera, for the label."""
    place: str = ""
    """Where the camera hangs, for the label."""


@dataclass(frozen=True, slots=True)
class CardList:
    """The cards of a batch."""

    cards: list[ListedCard]
    """In the order of the list."""
    description: str
    """How the list was read, in one line."""


def read_card_list(
    path: Path,
    progress: ProgressReporter,
    *,
    force_firmware: bool = False,
    defaults: Mapping[str, str] | None = None,
    known: Mapping[str, KnownCamera] | None = None,
) -> CardList:
    """Read a list of cards with the columns mac, model, firmware; and optionally channel, version, sha256, mode.

    The path of a firmware is relative to the folder of the list. `defaults` are the texts of columns that the list
    lacks, and of cells that are empty: a site plan names neither model nor firmware. `known` are the cameras of a
    gateway, by which the MAC address and the model of a row are found that has a serial number.

    Raises:
        InvalidInput: something is wrong; the message names every line that is.
        IOFailed: the list cannot be read.

    """
    given = dict(defaults or {})
    sheet = _read_sheet(path, {*given, *(() if known is None else ("model",))})
    rows = [
        replace(row, cells=_complete(row.cells, given, known or {}))
        for row in sheet.rows
        if row.cells["sn"].casefold() not in _DEFAULT_ROWS
    ]
    sheet = replace(sheet, rows=tuple(rows))
    if not sheet.rows:
        raise InvalidInput(message("{path}: the list is empty: there are headings, but no cards", path=path))
    parser = _CardParser(path.parent, progress, known, force_firmware=force_firmware)
    return CardList(sheet.parse_rows(parser.parse), sheet.describe())


def _read_sheet(path: Path, given: Collection[str]) -> Spreadsheet:
    """Read the list; the columns that are given otherwise may be missing, and that of MAC addresses in a site plan."""

    def read(optional: Collection[str], required: str = "") -> Spreadsheet:
        return read_spreadsheet(
            path,
            [
                replace(one, is_required=one.name == required or (one.is_required and one.name not in optional))
                for one in CARD_LIST_COLUMNS
            ],
        )

    try:
        return read(given)
    except SpreadsheetError as error:
        if "mac" not in {one.column for one in error.errors}:
            raise
        try:
            return read({*given, "mac"}, "sn")
        except SpreadsheetError as other:
            raise (error if "sn" in {one.column for one in other.errors} else other) from None


def _complete(cells: Mapping[str, str], given: Mapping[str, str], known: Mapping[str, KnownCamera]) -> dict[str, str]:
    """Return the cells of a row with what is known of its camera, and with what is given for all."""
    camera = find_known(known, cells["sn"])
    found = {"mac": cells["mac"] or camera.mac, "model": cells["model"] or camera.model}
    completed = {**cells, **found}
    return {**completed, **{name: completed[name] or text for name, text in given.items()}}


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

    def __init__(
        self,
        folder: Path,
        progress: ProgressReporter,
        known: Mapping[str, KnownCamera] | None,
        *,
        force_firmware: bool,
    ) -> None:
        self._folder, self._progress, self._force_firmware = folder, progress, force_firmware
        self._known = known
        self._firmwares: dict[str, tuple[Firmware, bytes]] = {}
        self._lines_by_mac: dict[Mac, int] = {}

    def parse(self, row: SpreadsheetRow) -> ListedCard:
        """Parse one row; raise `InvalidInput` if something in it is wrong."""
        with row.cell("mac") as mac_text:
            mac = self._parse_mac(mac_text, row.cells["sn"])
        with row.cell("model") as model:
            if not model and self._known is not None:
                raise InvalidInput(
                    message("the model of the camera is not known: give it in a column model, or with --model")
                )
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
        return ListedCard(row.line, spec, firmware, sha256, row.cells["name"], row.cells["place"])

    def _parse_mac(self, text: str, sn: str) -> Mac:
        """Return the MAC address of a row, which is that of its serial number where that is known."""
        if not text and sn and self._known is None:
            raise InvalidInput(
                message(
                    "the row of the camera {sn} has no MAC address, of which the card's label is made: it stands on "
                    "the camera; or give --cameras with what `sunmi-gateway cameras list --json` has written",
                    sn=sn,
                )
            )
        if not text and sn:
            raise InvalidInput(
                message("the gateway does not know the MAC address of the camera {sn}: it stands on the camera", sn=sn)
            )
        mac = Mac.parse(text)
        other = find_known(self._known or {}, sn).mac
        if other and Mac.parse(other) != mac:
            raise InvalidInput(message("the camera {sn} has the MAC address {mac}", sn=sn, mac=other))
        return mac

    def _load_firmware(self, name: str) -> tuple[Firmware, bytes]:
        """Return the firmware of this name and its SHA-256."""
        if not name:
            raise InvalidInput(message("no firmware is named"))
        if name not in self._firmwares:
            firmware = load_firmware([self._folder / name], force=self._force_firmware)
            self._firmwares[name] = (firmware, firmware.compute_sha256(self._progress))
        return self._firmwares[name]
