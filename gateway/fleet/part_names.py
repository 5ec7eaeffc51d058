"""How the parts of the desired state are named: in documents, in answers of shops, and everywhere at the head office.

A part is `settings.SECTION.KEY`, `products`, `templates.NAME` or `version`.
"""

from typing import Final, Literal, get_args

PartKind = Literal["settings", "products", "templates", "version"]
"""What a part is: the first word of its name."""

SETTINGS: Final = "settings"
PRODUCTS: Final = "products"
TEMPLATES: Final = "templates"
VERSION: Final = "version"
DOCUMENT: Final = "document"
"""The part of an answer that concerns whole documents, as those that cannot be read. It is never desired."""


def setting_part(name: str) -> str:
    """Return the part of a setting, `SECTION.KEY`."""
    return f"{SETTINGS}.{name}"


def template_part(name: str) -> str:
    """Return the part of a template of labels."""
    return f"{TEMPLATES}.{name}"


def find_part_kind(part: str) -> PartKind | None:
    """Return of which kind a part is; None if it is none."""
    first, _, name = part.partition(".")
    kind: PartKind | None = next((one for one in get_args(PartKind) if one == first), None)
    has_name = kind in (SETTINGS, TEMPLATES)
    return kind if bool(name) == has_name else None
