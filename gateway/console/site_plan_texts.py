"""The words of the pages of the site plan: its steps, the states of cameras, and an example of a list."""

from typing import Final

from firmware_tools.language import Language, Message, message
from gateway.doctor.check import Status
from gateway.shop.progress import PlannedCameraState
from gateway.shop.steps import PlanStepName, PlanStepState

STEP_TITLES: Final[dict[PlanStepName, Message]] = {
    "find": message("Find it"),
    "wifi": message("Wi-Fi"),
    "activate": message("Activate"),
    "name": message("Name"),
    "settings": message("Lens and detection"),
    "cloud": message("Cloud"),
    "subscribe": message("Report events"),
    "picture": message("Picture"),
    "event": message("First event"),
}
STEP_STATES: Final[dict[PlanStepState, tuple[Status, Message]]] = {
    "pending": ("skipped", message("to do")),
    "running": ("skipped", message("under way")),
    "waiting": ("warning", message("waits for you")),
    "done": ("ok", message("done")),
    "skipped": ("skipped", message("not needed")),
    "warning": ("warning", message("look at it")),
    "failed": ("failed", message("failed")),
}
"""How the state of a step looks, and what it is called."""
CAMERA_STATES: Final[dict[PlannedCameraState, tuple[Status, Message]]] = {
    "failed": ("failed", message("failed")),
    "waiting": ("warning", message("waits for you")),
    "running": ("skipped", message("under way")),
    "pending": ("skipped", message("to do")),
    "done": ("ok", message("done")),
}
"""How the state of a camera looks, and what it is called; the worst is first."""

EXAMPLE_LISTS: Final = {
    Language.ENGLISH: (
        "\ufeffsn,mac,activation_number,name,place,zoom,irmode\r\n"
        "*,,,,,120,2\r\n"
        '"FM020A2300001",,="812345678901234567890123",Entrance,above the door,,\r\n'
        '"FM010A2300002",04:12:24:E3:45:12,="812345678901234567890124",Till,behind the till,200,\r\n'
    ),
    Language.CHINESE: (
        "\ufeff序列号,MAC地址,激活码,名称,位置,变焦,红外模式\r\n"
        "*,,,,,120,2\r\n"
        '"FM020A2300001",,="812345678901234567890123",入口,门上方,,\r\n'
        '"FM010A2300002",04:12:24:E3:45:12,="812345678901234567890124",收银台,收银台后方,200,\r\n'
    ),
}
"""A list that a person downloads and fills in. Spreadsheets keep all digits of a number in a formula."""
