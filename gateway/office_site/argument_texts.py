"""What the arguments of commands are called on pages."""

from collections.abc import Mapping
from typing import Final

from firmware_tools.language import Message, message

ARGUMENT_TEXTS: Final[Mapping[str, Message]] = {
    "all": message("All of them"),
    "code": message("Code of the vendor"),
    "confirm_erase": message("Number of cameras that lose their face groups"),
    "confirm_offline": message("The gateway may leave the shop's network"),
    "endpoint": message("Endpoint"),
    "methods": message("Ways to find cameras"),
    "name": message("Name of the token"),
    "only": message("Only these cameras"),
    "parameters": message("Parameters"),
    "path": message("Path of the endpoint"),
    "plan": message("Site plan"),
    "sn": message("Serial number"),
    "state": message("State"),
    "timeout_s": message("Length of the search in seconds"),
    "to_current": message("Also what waits for another account"),
}
"""By the name of the argument, which means the same in every command."""
