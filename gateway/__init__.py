"""An on-premises edge gateway for SUNMI stores."""

from typing import Final

__version__: Final = "0.1.0"

RELEASED_AT: Final = 1795219200.0
"""When this version was released, in Unix seconds (2026-11-21): no true clock says an earlier time."""
