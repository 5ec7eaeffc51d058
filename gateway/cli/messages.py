"""Where progress and messages of commands go; results go to standard output."""

from typing import Final

from rich.console import Console

messages: Final = Console(stderr=True, highlight=False, emoji=False)
