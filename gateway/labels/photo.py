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
MAX_PHOTO_PIXELS: Final = 25_000_000
"""No photo has more pixels."""
MAX_DECODED_PIXELS: Final = 8_000_000
"""A JPEG is decoded smaller at once; what has more pixels even so would fill a small computer's memory."""


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
            image.draft("RGB", (2 * width, 2 * height))
            if image.width * image.height > MAX_DECODED_PIXELS:
                return None
            upright = ImageOps.exif_transpose(image)
            picture = upright.convert("RGBA")
    except Exception:  # what a damaged file makes of a decoder has many types
        return None
    if picture.width > width or picture.height > height:
        picture = ImageOps.contain(picture, (width, height), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("RGB")
    return flat.quantize(palette=make_canvas(1, 1, has_red=has_red), dither=Image.Dither.FLOYDSTEINBERG)
