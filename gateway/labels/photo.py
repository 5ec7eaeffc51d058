"""Photos in the colours of a label."""

import io
from typing import Final

from PIL import Image, ImageOps

PALETTE: Final = ((255, 255, 255), (0, 0, 0), (255, 0, 0))
"""White, black and red, in the order of the palette of every picture."""
WHITE: Final = 0
"""Its place in the palette."""
BLACK: Final = 1
"""Its place in the palette."""
RED: Final = 2
"""Its place in the palette, where the label has red."""
MAX_PHOTO_BYTES: Final = 10_000_000
"""No photo is larger."""
MAX_PHOTO_PIXELS: Final = 40_000_000
"""Nor has one more pixels."""


def make_canvas(width: int, height: int, *, has_red: bool) -> Image.Image:
    """Return a white picture in a label's colours."""
    canvas = Image.new("P", (width, height), WHITE)
    canvas.putpalette(bytes(part for color in PALETTE[: 3 if has_red else 2] for part in color))
    return canvas


def dither_photo(photo: bytes, width: int, height: int, *, has_red: bool) -> Image.Image | None:
    """Return a photo that fits a size, in a label's colours; None if it cannot be read.

    What has the very size and colours already stays as it is.
    """
    if len(photo) > MAX_PHOTO_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(photo), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PHOTO_PIXELS:
                return None
            image.draft("RGB", (2 * width, 2 * height))  # a JPEG is decoded smaller at once
            upright = ImageOps.exif_transpose(image)
            with_alpha = upright.convert("RGBA")
    except Exception:  # what a damaged file makes of a decoder has many types
        return None
    white = Image.new("RGBA", with_alpha.size, "white")
    flat = Image.alpha_composite(white, with_alpha).convert("RGB")
    if flat.width > width or flat.height > height:
        flat = ImageOps.contain(flat, (width, height), Image.Resampling.LANCZOS)
    return flat.quantize(palette=make_canvas(1, 1, has_red=has_red), dither=Image.Dither.FLOYDSTEINBERG)
