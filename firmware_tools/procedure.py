"""The vendor's procedure for a finished card, from inserting it to deleting the file, in English and Chinese."""

from firmware_tools.card import CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.language import Language

_RELEASE_STORE, _UAT_STORE = "https://store.sunmi.com", "https://store.uat.sunmi.com"

# One step a line.
_UPDATE = {
    Language.ENGLISH: """\
Insert the card into the camera {mac}.
Power the camera on.
Wait about 1 minute until the LED blinks red: the camera is updating. If it does not, check that the firmware \
is for this model and of another version than the camera runs, and that the label of the card is {label}.
Wait about 1 minute more. When the red LED is off and the green one is on, the camera is about to restart. The update \
is complete when the green LED flashes or the blue LED is on.
After the restart, hold the Reset button for 5 seconds or more, to restore the factory settings.
Set the camera up as its manual says, and bind it to your account again.
If the camera says that the card is not formatted, format it with the SUNMI Assistant app or at {store}.
Delete {file} from the card, so that the camera does not update again by accident: sunmi-sdcard clean DEVICE""",
    Language.CHINESE: """\
将存储卡插入摄像机 {mac}。
接通摄像机电源。
等待约 1 分钟，直到红灯闪烁，表示正在升级。如果红灯不闪，请检查：固件与机型一致，固件版本与当前版本不同，\
卡的卷标为 {label}。
再等待约 1 分钟。红灯熄灭、绿灯亮起表示即将重启；绿灯闪烁或蓝灯亮起表示升级完成。
重启后，长按 Reset 键 5 秒以上，恢复出厂设置。
按照用户手册重新配置摄像机，并重新绑定到您的账号。
如果提示存储卡未格式化，请用商米助手 App 或到 {store} 格式化。
删除卡上的 {file}，以免摄像机再次误升级：sunmi-sdcard clean 设备""",
}
_RECOVERY = {
    Language.ENGLISH: """\
Insert the card into the camera {mac}.
Power the camera on.
After about 10 seconds the red LED is on without blinking: the camera is writing the firmware.
Wait about 1 minute, until the camera restarts.
If the camera is not connected afterwards, hold the Reset button for 5 seconds or more, set the camera up as its \
manual says, and bind it to your account again.
Delete {file} from the card, so that the camera does not update again by accident: sunmi-sdcard clean DEVICE""",
    Language.CHINESE: """\
将存储卡插入摄像机 {mac}。
接通摄像机电源。
约 10 秒后红灯常亮，表示正在写入固件。
等待约 1 分钟，直到摄像机重启。
如果之后摄像机没有联网，请长按 Reset 键 5 秒以上，按照用户手册重新配置摄像机，并重新绑定到您的账号。
删除卡上的 {file}，以免摄像机再次误升级：sunmi-sdcard clean 设备""",
}
_WRITE_IMAGE = {
    Language.ENGLISH: "Write the image {image} to a card of at least its size, for example with balenaEtcher or dd.",
    Language.CHINESE: "用 balenaEtcher 或 dd 等工具将镜像 {image} 写入容量不小于镜像的存储卡。",
}
_TITLES = {Language.ENGLISH: "What to do with the card:", Language.CHINESE: "存储卡的使用步骤："}


def describe_procedure(spec: CardSpec, language: Language, *, image: str | None = None) -> list[str]:
    """Return the steps, in order; with the name of an image, beginning with writing it to a card."""
    steps = _RECOVERY if spec.firmware_path is FirmwarePath.RECOVERY else _UPDATE
    stores = {FirmwareChannel.RELEASE: _RELEASE_STORE, FirmwareChannel.UAT: _UAT_STORE}
    store = stores[spec.channel] if spec.channel else f"{_RELEASE_STORE} (uat: {_UAT_STORE})"
    words = {
        "mac": str(spec.mac),
        "label": spec.mac.volume_label,
        "file": spec.firmware_path.value,
        "store": store,
        "image": image,
    }
    templates = [*([_WRITE_IMAGE[language]] if image else []), *steps[language].splitlines()]
    return [template.format(**words) for template in templates]


def format_procedure(steps: list[str], language: Language) -> str:
    """Return the steps as a numbered list with a title."""
    return "\n".join([_TITLES[language], *(f"  {number}. {step}" for number, step in enumerate(steps, 1))])
