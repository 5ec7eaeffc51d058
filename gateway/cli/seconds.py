"""The type of options that are a number of seconds."""

import math
from typing import Any

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message


class Seconds(click.FloatRange):
    """A number of seconds in a range. `nan` is in every range of click's, and endless times are in open ones."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raises `click.BadParameter`."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(localize(message("{value!r} is no number of seconds", value=str(value))), param, ctx)
        return number
