"""A change that a person or a program made."""

from dataclasses import dataclass
from typing import Final, Literal

MAX_TEXT: Final = 200
"""The length of the longest text of a change; longer ones are cut."""

Via = Literal["console", "api", "local", "head_office"]


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change that has no number yet. It holds no secrets: names alone."""

    who: str
    """The name of the session or token; empty on the local socket. Of the head office, whom it names."""
    via: Via
    """How it was made: by a page of the console, a call of the REST API, a command on this machine,
    or a command of the chain's head office."""
    action: str
    """What was done, in English words."""
    object: str = ""
    """To what, as a serial number or a name; empty if that says it all."""

    @property
    def size(self) -> int:
        """How many characters it has."""
        return len(self.who) + len(self.action) + len(self.object)


@dataclass(frozen=True, slots=True)
class Change(NewChange):
    """A change as it is stored."""

    number: int = 0
    """Its place in the log."""
    time: int = 0
    """When it was made, in Unix seconds."""
