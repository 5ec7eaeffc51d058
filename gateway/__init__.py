"""An on-premises edge gateway for SUNMI stores."""

__version__ = "0.1.0"
