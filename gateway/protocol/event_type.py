"""Event types: every type of event is declared once, as a dataclass.

The docstring of the class says what happened. Its fields are the members of the event's `data`, and the text under each
says what it means. Filters, metrics and documentation follow from the declarations.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal

Source = Literal["cloud", "camera", "gateway"]
"""Who reports an event."""

TYPE_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""The form of a type's name, such as `face.seen`."""


@dataclass(frozen=True, kw_only=True)
class EventType:
    """The base of all declarations. A subclass without a `type` of its own is a base, too."""

    type: ClassVar[str]
    """The name of the type; the part before the dot is its family."""

    def __init_subclass__(cls) -> None:
        """Add a declaration to `EVENT_TYPES`. Raises `TypeError` for a wrong name or one that is taken."""
        super().__init_subclass__()
        name = vars(cls).get("type")
        if name is None:
            return
        if not TYPE_PATTERN.fullmatch(name) or name in EVENT_TYPES or not cls.__doc__:
            raise TypeError(f"{cls.__name__}: {name!r} is no name of a type, is taken, or has no docstring")
        EVENT_TYPES[name] = cls

    @classmethod
    def title(cls) -> str:
        """Return what happened, as a sentence without its full stop."""
        return (cls.__doc__ or "").partition("\n")[0].removesuffix(".")

    @property
    def data(self) -> dict[str, Any]:
        """The event's details, as readers get them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


EVENT_TYPES: Final[dict[str, type[EventType]]] = {}
"""Every declared type by name."""
