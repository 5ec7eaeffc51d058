"""The command `sunmi-sdcard`."""

from firmware_tools.cli.main import main

__all__ = ["main"]
