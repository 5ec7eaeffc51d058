"""Lens and detection settings of a plan: read from the catalogue's declarations, which say what each may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings that one call sets together, and the call that reads them."""

    setter: Endpoint
    """Sets them all."""
    getter: Endpoint
    """Reads them."""
    read_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The members of the reader's response, where they are not named as the setting."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the settings."""
        return tuple(parameter.name for parameter in self.setter.parameters)

    def read(self, data: Any) -> dict[str, int]:
        """Return the present values in a response of the reader. What it does not say is left out."""
        found = {}
        for name in self.names:
            for member in self.read_names.get(name, (name,)):
                value = data.get(member) if isinstance(data, Mapping) else None
                if isinstance(value, int) and not isinstance(value, bool):
                    found[name] = value
                    break
        return found


def _group(setter: str, getter: str, read_names: Mapping[str, tuple[str, ...]] | None = None) -> SettingGroup:
    return SettingGroup(
        CATALOGUE.get("camera", f"config/{setter}"), CATALOGUE.get("camera", f"config/{getter}"), read_names or {}
    )


SETTING_GROUPS: Final = (
    _group("setRotation", "getRotation"),
    _group("setZoom", "getZoomFocusConf"),
    _group("manualFocus", "getZoomFocusConf"),
    _group(
        "autoFocus",
        "getZoomFocusConf",
        {"focus_x": ("focused_x", "focus_x"), "focus_y": ("focused_y", "focus_y")},  # (NOTES: Focus point)
    ),
    _group("setIrMode", "getIrMode"),
    _group("setLedSwitch", "getLedSwitch"),
    _group("setDynamicDetect", "getDynamicDetect"),
)
"""The settings in the order in which they are set: a change of the zoom moves the focus."""

PLAN_SETTINGS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter for group in SETTING_GROUPS for parameter in group.setter.parameters
}
"""The declaration of each setting, by its name, which is the vendor's."""

LENS_SETTINGS: Final = frozenset({"rotation", "zoom", "focus", "focus_x", "focus_y", "irmode"})
"""The settings that change what a camera sees."""

SETTING_HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "rotation": ("旋转", "旋转角度", "画面旋转"),
    "zoom": ("变焦", "缩放"),
    "focus": ("对焦", "焦距", "手动对焦"),
    "focus_x": ("对焦点X",),
    "focus_y": ("对焦点Y",),
    "irmode": ("IR", "IR mode", "infrared", "红外", "红外模式", "夜视"),
    "led_switch": ("LED", "指示灯"),
    "motion_level": ("motion", "移动侦测", "移动侦测灵敏度"),
    "audio_level": ("audio", "声音侦测", "声音侦测灵敏度"),
    "weekday": ("weekdays", "侦测日", "星期"),
    "start_time": ("侦测开始", "开始时间"),
    "stop_time": ("侦测结束", "结束时间"),
}
"""Other headings of the settings' columns in a list."""
