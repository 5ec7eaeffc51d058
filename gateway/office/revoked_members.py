"""Who is listed as a member of the chain, and is revoked: after the servers' data was restored from an older backup."""

from typing import NamedTuple

from gateway.office.natural_order import natural_key
from gateway.office.office import Office
from gateway.office.readers import list_readers
from gateway.office.shops import load_shops


class RevokedMembers(NamedTuple):
    """Shops and readers that are listed, and whose keys are revoked."""

    shops: list[str]
    """The shops, by name."""
    readers: list[str]
    """The readers, by name."""


async def list_revoked_members(office: Office) -> RevokedMembers:
    """Return who is listed, and revoked all the same. Raises `HeadOfficeUnavailable` and `StateError`."""
    shops = [one.shop for one in await load_shops(office) if one.is_revoked]
    readers = [one.name for one in await list_readers(office) if one.revoked]
    return RevokedMembers(sorted(shops, key=natural_key), sorted(readers, key=natural_key))
