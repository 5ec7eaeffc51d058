"""The font that labels are drawn with: found on the machine, and kept open in the sizes that are used."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from PIL import ImageFont

from firmware_tools.language import message
from gateway.errors import SettingsError


class FontFile(NamedTuple):
    """A font in a file."""

    path: Path
    """The file."""
    number: int = 0
    """Which font of a collection."""


SYSTEM_FONTS: Final = (
    FontFile(Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")),  # fonts-wqy-microhei
    FontFile(Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"), 2),  # fonts-noto-cjk: Simplified Chinese
    FontFile(Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")),  # fonts-wqy-zenhei
    FontFile(Path("C:/Windows/Fonts/msyh.ttc")),
    FontFile(Path("/System/Library/Fonts/STHeiti Medium.ttc"), 1),
)
"""Fonts with Chinese signs where systems have them, the preferred one first."""

_MAX_SIZES: Final = 32
"""How many sizes stay open. Each maps the file anew: the pages are shared, but counted for each."""
_MAX_KNOWN: Final = 50_000
_SIGN_SIZE: Final = 24
_UNASSIGNED: Final = "\U0010ffff"
"""What no font has a sign for: it shows what a font draws in such a place."""
_SAMPLE: Final = "国Hgy"
"""Reaches as far up and down as common texts do."""


class Fonts:
    """One font in all sizes."""

    def __init__(self, file: FontFile | None) -> None:
        """Open a font; without a file, the small one inside Pillow, which has no Chinese. Raises `OSError`."""
        self._file = file
        self.path = None if file is None else file.path
        """Its file; None for the one inside Pillow."""
        self._missing_sign = b""
        self._known: dict[str, bool] = {}
        self._bearings: dict[tuple[str, int, float], tuple[int, int]] = {}
        self._advances: dict[tuple[str, int], float] = {}
        self.at = functools.lru_cache(maxsize=_MAX_SIZES)(self._open)
        self.measure = functools.lru_cache(maxsize=_MAX_SIZES)(self._measure)
        font = self.at(_SIGN_SIZE)
        self.name = str(font.getname()[0] or "")
        """The name of the font."""
        self._missing_sign = bytes(font.getmask(_UNASSIGNED, "1"))

    def _open(self, size: int) -> ImageFont.FreeTypeFont:
        if self._file is None:
            font = ImageFont.load_default(size)
            if not isinstance(font, ImageFont.FreeTypeFont):
                raise OSError(message("Pillow was built without FreeType"))
            return font
        return ImageFont.truetype(self._file.path, size, index=self._file.number, layout_engine=ImageFont.Layout.BASIC)

    def _measure(self, size: int) -> tuple[int, int]:
        _, top, _, bottom = self.at(size).getbbox(_SAMPLE, mode="1", anchor="ls")
        return int(top), int(bottom)

    def advance(self, sign: str, size: int) -> float:
        """Return how far a sign moves the next one, in pixels."""
        key = (sign, size)
        known = self._advances.get(key)
        if known is None:
            if len(self._advances) > _MAX_KNOWN:
                self._advances.clear()
            known = self._advances[key] = self.at(size).getlength(sign, mode="1")
        return known

    def bearings(self, sign: str, size: int, stroke: float) -> tuple[int, int]:
        """Return how many columns that belong to a sign stay empty at its left and at its right."""
        key = (sign, size, stroke)
        known = self._bearings.get(key)
        if known is None:
            if len(self._bearings) > _MAX_KNOWN:
                self._bearings.clear()
            font = self.at(size)
            left, _, right, _ = font.getbbox(sign, mode="1", stroke_width=stroke, anchor="ls")
            mask, offset = font.getmask2(sign, "1", stroke_width=stroke, anchor="ls")
            ink = mask.getbbox()
            known = (0, 0) if ink is None else (int(offset[0] + ink[0] - left), int(right - offset[0] - ink[2]))
            self._bearings[key] = known
        return known

    def has(self, sign: str) -> bool:
        """Tell whether the font has a sign."""
        known = self._known.get(sign)
        if known is None:
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            known = sign.isspace() or bytes(self.at(_SIGN_SIZE).getmask(sign, "1")) != self._missing_sign
            self._known[sign] = known
        return known


def load_fonts(path: Path | None = None, index: int = 0) -> Fonts:
    """Return the font of a file, or else the first of the system's fonts that is there, or else that of Pillow.

    Raises `SettingsError` if the file cannot be read as a font.
    """
    if path is not None:
        try:
            return _load(FontFile(path, index))
        except OSError as exc:
            reason = message("{path}: cannot be read as a font: {reason}", path=path, reason=exc)
            raise SettingsError(reason) from exc
    return _load_first(SYSTEM_FONTS)


@functools.lru_cache(maxsize=4)
def _load(file: FontFile) -> Fonts:
    return Fonts(file)


def _load_first(files: Sequence[FontFile]) -> Fonts:
    for file in files:
        try:
            return _load(file)
        except OSError:
            continue
    return Fonts(None)
