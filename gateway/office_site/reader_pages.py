"""The page of the chain's own systems that read what shops send, and their end."""

from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.office.natural_order import natural_key
from gateway.office.readers import list_readers, revoke_reader
from gateway.office_site.site import OfficeContext, OfficePage

READERS: Final = "/console/readers"


async def show_readers(context: OfficeContext) -> web.StreamResponse:
    """List who reads."""
    return context.render(
        "readers.html", readers=sorted(await list_readers(context.office), key=lambda one: natural_key(one.name))
    )


async def revoke(context: OfficeContext) -> web.StreamResponse:
    """End a reader at once."""
    name = (await context.read_form()).raw_text("name")
    await revoke_reader(context.office, name)
    return context.redirect(READERS, notice=message("{name} is revoked: it cannot connect.", name=name))


PAGES: Final = (
    OfficePage("GET", "readers", show_readers, "admin"),
    OfficePage("POST", "readers/revoke", revoke, "admin", does=message("Revoke a reader")),
)
