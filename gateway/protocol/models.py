"""Camera models and the names that the vendor uses for them (NOTES: Camera models)."""

from typing import Literal

CameraModel = Literal["FM010", "FM020"]

_MODELS: dict[str, CameraModel] = {
    "SS": "FM010", "SS1": "FM010", "FM010": "FM010",
    "FS": "FM020", "FS1": "FM020", "FM020": "FM020",
}  # fmt: skip


def parse_model(name: str) -> CameraModel | None:
    """Return FM010 (Store Sense) or FM020 (Face Sense) for any of its names, or None if it is not a camera."""
    return _MODELS.get(name.strip().upper())
