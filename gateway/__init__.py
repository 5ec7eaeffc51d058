"""An on-premises edge gateway for SUNMI stores."""

from pathlib import Path
from typing import Final

from firmware_tools.language import add_catalogues

__version__: Final = "0.1.0"

RELEASED_AT: Final = 1795219200.0
"""When this version was released, in Unix seconds (2026-11-21): no true clock says an earlier time."""

add_catalogues(Path(__file__).parent / "locale")
