"""What the scopes of tokens include."""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Final, get_args

from firmware_tools.language import message
from gateway.errors import Forbidden
from gateway.protocol.endpoint import Scope

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""Every scope, in the order in which they are shown."""
GRANTS: Final[Mapping[Scope, frozenset[Scope]]] = {
    "pos": frozenset({"pos"}),
    "media": frozenset({"media"}),
    "people": frozenset({"people"}),
    "installer": frozenset({"pos", "media", "installer"}),
    "admin": frozenset(SCOPES),
}
"""The scopes that each one includes."""
CUSTOM: Final = "custom"
"""The name of a set of scopes that is none of `NAMED`."""
NAMED: Final[tuple[Scope, ...]] = ("pos", "installer", "admin")
"""The scopes that are named alone."""


@functools.cache
def expand(scopes: Collection[Scope]) -> frozenset[Scope]:
    """Return scopes with all that they include. `scopes` has to be hashable."""
    return frozenset[Scope]().union(*(GRANTS[scope] for scope in scopes))


def list_scopes(granted: Collection[Scope]) -> list[Scope]:
    """Return scopes in the order in which they are shown."""
    return [scope for scope in SCOPES if scope in granted]


def name_scopes(granted: Collection[Scope]) -> str:
    """Return the name of a set of scopes: that of the one which includes just these, or `custom`."""
    return next((scope for scope in NAMED if GRANTS[scope] == granted), CUSTOM)


def require_scope(granted: Collection[str], needed: str, order: Sequence[str] = SCOPES) -> None:
    """Raise `Forbidden` unless the scope that is needed is among those of the caller; `order` has all there are."""
    if needed not in granted:
        held = ", ".join(scope for scope in order if scope in granted) or "none"
        raise Forbidden(
            message("this needs a token of scope {needed}; this token has {held}", needed=needed, held=held)
        )
