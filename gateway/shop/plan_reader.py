"""Reads a site plan: a list as spreadsheets save it, or JSON. All faults are found, each with its row and column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from firmware_tools.errors import CardError
from firmware_tools.language import describe_error, message
from firmware_tools.spreadsheet import SpreadsheetColumn, SpreadsheetError, parse_spreadsheet
from gateway.cameras.provisioning import ProvisioningRequest
from gateway.cameras.record import is_serial_number
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.values import InvalidValue
from gateway.settings import ProvisioningSettings
from gateway.shop.activation_number import parse_activation_number
from gateway.shop.plan import MAX_CAMERAS, MAX_PLACE_LENGTH, PlannedCamera, SitePlan, WifiNetwork
from gateway.shop.plan_settings import PLAN_SETTINGS, SETTING_HEADINGS

COLUMNS: Final = (
    SpreadsheetColumn("sn", ("serial number", "serial", "S/N", "序列号", "SN号", "设备序列号")),
    SpreadsheetColumn("mac", ("MAC address", "MAC地址", "设备MAC")),
    SpreadsheetColumn("activation_number", ("activation", "activation code", "激活码", "激活号", "激活编号")),
    SpreadsheetColumn("name", ("camera name", "名称", "设备名称", "摄像头名称", "名字")),
    SpreadsheetColumn("place", ("location", "position", "位置", "安装位置", "地点")),
    SpreadsheetColumn("ssid", ("wifi", "Wi-Fi network", "网络", "无线网络", "WiFi名称"), is_exact=True),
    SpreadsheetColumn("password", ("wifi password", "WiFi密码", "密码", "无线密码"), is_exact=True),
    SpreadsheetColumn("hidden", ("hidden network", "隐藏网络", "隐藏")),
    *(SpreadsheetColumn(name, SETTING_HEADINGS.get(name, ())) for name in PLAN_SETTINGS),
)
"""The columns that a list may have. One of the first two identifies a camera."""
_CARD_COLUMNS: Final = (
    SpreadsheetColumn("model", ("camera model", "device model", "型号", "设备型号", "摄像头型号")),
    SpreadsheetColumn("firmware", ("firmware file", "固件", "固件文件", "固件包")),
    SpreadsheetColumn("channel", ("environment", "环境", "渠道")),
    SpreadsheetColumn("version", ("firmware version", "版本", "版本号", "固件版本")),
    SpreadsheetColumn("sha256", ("checksum", "校验值", "校验码")),
    SpreadsheetColumn("mode", ("模式", "升级方式")),
)
"""Columns that `sunmi-sdcard batch` reads of the same list. A plan does without them, and nobody need be told."""

_CARD_NAMES: Final = frozenset(column.name for column in _CARD_COLUMNS)
_DEFAULT_ROWS: Final = ("*", "default", "defaults", "默认", "全部")
"""What stands in place of a serial number in the row that is for the whole list."""
MAX_HEADING_LENGTH: Final = 40
"""How much of a heading is named."""
_WIFI_COLUMNS: Final = ("ssid", "password", "hidden")
_YES: Final = ("1", "true", "yes", "y", "x", "是", "✓")
_NO: Final = ("", "0", "false", "no", "n", "否")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A row of a list before it is checked: texts by column, and what is wrong with the row as a whole."""

    row: int
    """The line of the file, or the number in the JSON list, from 1."""
    path: str
    """Where it is, for programs: `cameras[3]`, or `defaults`."""
    cells: Mapping[str, str]
    """The texts; empty where nothing is given."""
    errors: tuple[tuple[str, str], ...] = ()
    """Columns and what is wrong with them already."""


def read_list(
    data: bytes, name: str, settings: ProvisioningSettings, wifi: Mapping[str, str] | None = None
) -> SitePlan:
    """Read a plan from a list. Raises `InvalidRequest` with every fault.

    `wifi` has `ssid`, `password` and `hidden` as a person gave them beside the list.
    """
    try:
        sheet = parse_spreadsheet(data, name, (*COLUMNS, *_CARD_COLUMNS), max_rows=MAX_CAMERAS + 1)
    except SpreadsheetError as exc:
        raise InvalidRequest([FieldError(_path("list", one.column), one.describe()) for one in exc.errors]) from exc
    except CardError as exc:
        raise InvalidRequest([FieldError("list", describe_error(exc))]) from exc
    if sheet.headings.keys().isdisjoint(("sn", "mac")):
        reason = message(
            "this is no list of cameras: none of its first rows has a heading for the serial number or the MAC "
            "address, as `sn` or `mac`"
        )
        raise InvalidRequest([FieldError("list", reason)])
    cameras: list[PlanRow] = []
    defaults = [PlanRow(0, "wifi", wifi)] if wifi else []
    for row in sheet.rows:
        is_default = row.cells["sn"].casefold() in _DEFAULT_ROWS
        path = "defaults" if is_default else f"cameras[{len(cameras)}]"
        errors = tuple((one.column or "", one.reason) for one in row.errors if one.column not in _CARD_NAMES)
        (defaults if is_default else cameras).append(PlanRow(row.line, path, row.cells, errors))
    return _Builder(is_list=True, headings=sheet.headings).build(cameras, defaults, settings, sheet.ignored)


def change_wifi(plan: SitePlan, wifi: Mapping[str, str] | None, settings: ProvisioningSettings) -> SitePlan:
    """Return a plan with another network and the same cameras. Raises `InvalidRequest`."""
    rows = [PlanRow(0, "wifi", wifi)] if wifi else []
    return _Builder(is_list=True, headings={}).change_wifi(plan, rows, settings)


def read_document(document: Mapping[str, Any], settings: ProvisioningSettings) -> SitePlan:
    """Read a plan from a checked JSON body: `cameras`, `defaults` and `wifi`. Raises `InvalidRequest`."""
    cameras = [
        PlanRow(
            index + 1, f"cameras[{index}]", _flatten(camera), _find_unknown(camera.get("settings") or {}, "settings.")
        )
        for index, camera in enumerate(document["cameras"])
    ]
    common = document.get("defaults") or {}
    wifi = {name: value for name, value in (document.get("wifi") or {}).items() if value is not None}
    defaults = [
        PlanRow(0, "defaults", _flatten({"settings": common}), _find_unknown(common, "")),
        PlanRow(0, "wifi", _flatten(wifi)),
    ]
    return _Builder(is_list=False, headings={}).build(cameras, defaults, settings, ())


def _flatten(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the members as texts, the settings among them. A setting stands for no other member."""
    settings = document.get("settings") or {}
    members = {**document, **{name: value for name, value in settings.items() if name in PLAN_SETTINGS}}
    members.pop("settings", None)
    return {name: _to_text(value) for name, value in members.items() if value is not None}


def _find_unknown(settings: Mapping[str, Any], prefix: str) -> tuple[tuple[str, str], ...]:
    """Return the settings that a plan does not have, and that it is so."""
    reason = message("is not a parameter of this call")
    return tuple((f"{prefix}{name[:MAX_HEADING_LENGTH]}", reason) for name in settings if name not in PLAN_SETTINGS)


def _to_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _path(place: str, column: str | None) -> str:
    return f"{place}.{column}" if column else place


class _Builder:
    """Checks rows and makes a plan of them. Faults are collected."""

    def __init__(self, *, is_list: bool, headings: Mapping[str, str]) -> None:
        self._is_list = is_list
        self._headings = headings
        """How the list calls its columns: people know them by no other name."""
        self._errors: list[FieldError] = []
        self._first_rows: dict[tuple[str, str], PlanRow] = {}
        """The row that has a serial number, a MAC address or an activation number, by column and value."""

    def build(
        self,
        rows: Sequence[PlanRow],
        defaults: Sequence[PlanRow],
        settings: ProvisioningSettings,
        ignored: tuple[str, ...],
    ) -> SitePlan:
        if not rows:
            self._errors.append(FieldError("cameras", message("there is no camera in the list")))
        if len(rows) > MAX_CAMERAS:
            too_many = message("a plan has at most {max} cameras, not {count}", max=MAX_CAMERAS, count=len(rows))
            raise InvalidRequest([FieldError("cameras", too_many)])
        common: dict[str, int] = {}
        for row in defaults:
            self._add_row_errors(row)
            common |= self._read_settings(row)
        cameras = [self._read_camera(row, common) for row in rows]
        wifi = self._read_wifi([*defaults, *rows], settings)
        if self._errors:
            raise InvalidRequest(self._errors)
        return SitePlan(cameras=tuple(cameras), wifi=wifi, ignored=ignored)

    def change_wifi(self, plan: SitePlan, rows: Sequence[PlanRow], settings: ProvisioningSettings) -> SitePlan:
        wifi = self._read_wifi(rows, settings)
        if self._errors:
            raise InvalidRequest(self._errors)
        return replace(plan, wifi=wifi)

    def _fault(self, row: PlanRow, column: str, reason: str) -> None:
        """Note a fault: for programs by its path, and for people by row and column as they see them."""
        if self._is_list and column and row.row:
            heading = self._headings.get(column, column)[:MAX_HEADING_LENGTH]
            reason = message("line {line}, column {column}: {reason}", line=row.row, column=heading, reason=reason)
        elif self._is_list and row.row:
            reason = message("line {line}: {reason}", line=row.row, reason=reason)
        self._errors.append(FieldError(_path(row.path, column), reason))

    def _add_row_errors(self, row: PlanRow) -> None:
        for column, reason in row.errors:
            self._fault(row, column, reason)

    def _read_camera(self, row: PlanRow, common: Mapping[str, int]) -> PlannedCamera:
        self._add_row_errors(row)
        camera = PlannedCamera(
            row=row.row,
            sn=self._read_serial_number(row),
            mac=self._read_mac(row),
            activation_number=self._read_activation_number(row),
            name=row.cells.get("name") or None,
            place=self._read_place(row),
            settings={**common, **self._read_settings(row)},
        )
        if not (row.cells.get("sn") or row.cells.get("mac")):
            self._fault(row, "sn", message("a serial number or a MAC address is needed"))
        try:
            ProvisioningRequest(
                name=camera.name, activation_number=camera.activation_number, confirm_erase=True
            ).check()
        except InvalidRequest as exc:
            for one in exc.field_errors:
                self._fault(row, one.parameter, one.reason)
        for column, value in (("sn", camera.sn), ("mac", camera.mac), ("activation_number", camera.activation_number)):
            self._check_unique(row, column, value or "")
        return camera

    def _check_unique(self, row: PlanRow, column: str, value: str) -> None:
        if not value:
            return
        first = self._first_rows.setdefault((column, value.casefold()), row)
        if first is not row:
            self._fault(row, column, message("is given twice: row {row} has the same", row=first.row))

    def _read_serial_number(self, row: PlanRow) -> str:
        text = row.cells.get("sn", "")
        if text and not is_serial_number(text):
            self._fault(row, "sn", message("must be letters, digits and ._-, at most 128 characters"))
            return ""
        return text

    def _read_mac(self, row: PlanRow) -> str:
        text = row.cells.get("mac", "")
        mac = normalise_mac(text)
        if text and not mac:
            self._fault(row, "mac", message("must be a MAC address, such as 04:12:24:E3:45:12"))
        return mac

    def _read_activation_number(self, row: PlanRow) -> str | None:
        text = row.cells.get("activation_number", "")
        known = any(column == "activation_number" for column, _ in row.errors)
        if known or not text:
            return None
        try:
            return parse_activation_number(text) or None
        except InvalidValue as exc:
            self._fault(row, "activation_number", exc.reason)
            return None

    def _read_place(self, row: PlanRow) -> str:
        text = row.cells.get("place", "")
        if len(text) > MAX_PLACE_LENGTH or not text.isprintable():
            self._fault(row, "place", message("must have at most {max} printable characters", max=MAX_PLACE_LENGTH))
            return ""
        return text

    def _read_settings(self, row: PlanRow) -> dict[str, int]:
        found: dict[str, int] = {}
        known = {column for column, _ in row.errors}
        for name, parameter in PLAN_SETTINGS.items():
            text = row.cells.get(name, "")
            if not text or name in known:
                continue
            try:
                found[name] = int(parameter.encode(text))
            except InvalidValue as exc:
                self._fault(row, name, exc.reason)
        if "focus" in found and {"focus_x", "focus_y"} & found.keys():
            self._fault(row, "focus", message("goes with neither focus_x nor focus_y: give a level or a point"))
        if len({"focus_x", "focus_y"} & found.keys()) == 1:
            self._fault(row, "focus_x", message("focus_x and focus_y are given together"))
        return found

    def _read_wifi(self, rows: Sequence[PlanRow], settings: ProvisioningSettings) -> WifiNetwork | None:
        """Return the one network that the rows name, or that of the settings."""
        given = [row for row in rows if any(row.cells.get(column) for column in _WIFI_COLUMNS)]
        networks: dict[WifiNetwork, PlanRow] = {}
        for row in given:
            for named in self._read_network(row):
                networks.setdefault(named, row)
        if len(networks) > 1:
            first, second, *_ = networks.values()
            self._fault(
                second, "ssid", message("the plan has one Wi-Fi network; row {row} names another", row=first.row)
            )
        known = WifiNetwork(ssid=settings.ssid) if settings.ssid else None
        network = next(iter(networks), None) if given else known
        if network is not None and not network.password:
            network = replace(network, password=settings.find_password(network.ssid) or "")
        return network

    def _read_network(self, row: PlanRow) -> Iterator[WifiNetwork]:
        ssid, password, hidden = (row.cells.get(column, "") for column in _WIFI_COLUMNS)
        if hidden.casefold() not in (*_YES, *_NO):
            self._fault(row, "hidden", message("must be yes or no"))
        is_hidden = hidden.casefold() in _YES
        try:
            ProvisioningRequest(ssid=ssid or None, password=password or None, hidden=is_hidden).check()
        except InvalidRequest as exc:
            for one in exc.field_errors:
                self._fault(row, one.parameter, one.reason)
            return
        if ssid:
            yield WifiNetwork(ssid=ssid, password=password, hidden=is_hidden)
