"""What the tests of labels share: a font with Chinese signs, and decoded pictures."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from gateway.labels.fonts import Fonts, load_fonts
from gateway.labels.picture import LabelPicture
from gateway.simulator.store import SimulatedStore
from tests.labels.shelf import Shelf

CHINESE_FONT = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
"""The font of Debian's `fonts-wqy-microhei`."""
ENLARGEMENT = 3


@pytest.fixture(scope="session")
def fonts() -> Fonts:
    """Return a font with Chinese signs."""
    if not CHINESE_FONT.exists():
        pytest.skip("needs the Debian package fonts-wqy-microhei")
    return load_fonts(CHINESE_FONT)


def open_picture(picture: LabelPicture) -> Image.Image:
    """Return the pixels of a picture."""
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    return image


def decode_codes(picture: LabelPicture) -> dict[str, str]:
    """Return the texts of all codes in a picture, by kind of code, as a scanner reads them."""
    image = open_picture(picture).convert("L")
    large = image.resize((image.width * ENLARGEMENT, image.height * ENLARGEMENT), Image.Resampling.NEAREST)
    return {str(code.format): code.text for code in zxingcpp.read_barcodes(large)}


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    file = tmp_path / "gateway.toml"
    shelf = Shelf(file)
    async with SimulatedStore(cameras=1, clock=shelf.clock) as shelf.store:
        settings = shelf.store.settings_toml(tmp_path)
        file.write_text(f'{settings}\n[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8")
        await shelf.open()
        yield shelf
        await shelf.gateway.close()
