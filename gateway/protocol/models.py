"""Camera models and the names that the vendor uses for them (NOTES: Camera models)."""

from typing import Literal

Model = Literal["FM010", "FM020"]

_MODELS: dict[str, Model] = {
    "SS": "FM010", "SS1": "FM010", "FM010": "FM010",
    "FS": "FM020", "FS1": "FM020", "FM020": "FM020",
}  # fmt: skip


def camera_model(name: str) -> Model | None:
    """Return FM010 (Store Sense) or FM020 (Face Sense) for any of its names, or None if it is not a camera."""
    return _MODELS.get(name.strip().upper())


def normal_mac(text: str) -> str:
    """Return a MAC address as `04:12:24:E3:45:12`, or an empty string if the text is not one."""
    digits = "".join(character for character in text if character not in ":-. ").upper()
    if len(digits) != 12 or any(digit not in "0123456789ABCDEF" for digit in digits):
        return ""
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))
