"""Who has changed what at the head office: a page, and the call for the chain's own systems."""

from typing import Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.query import Query, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, json_response
from gateway.errors import FieldError, InvalidRequest
from gateway.office.audit import AuditEntry, read_audit, read_newest
from gateway.office_site.site import OfficeContext, OfficePage, OfficeRequest, OfficeRoute

MAX_SEARCH: Final = 100
MAX_PAGE: Final = 500
MAX_NUMBER: Final = 2**63 - 1
"""No stream has larger numbers: a server answers them as a request that it cannot read."""
_SHOWN: Final = 200


class ChainAuditQuery(Query):
    """Which changes."""

    after: WholeNumber = Field(
        default=0, ge=0, le=MAX_NUMBER, description="The number after which they begin: `next` of a page."
    )
    q: str | None = Field(default=None, max_length=MAX_SEARCH, description="Only those with this text in them.")
    limit: WholeNumber = Field(default=100, ge=1, le=MAX_PAGE, description="How many.")


async def list_chain_audit(context: OfficeRequest) -> web.StreamResponse:
    """List who has changed what, the oldest first."""
    query = read_query(context.request.query, ChainAuditQuery)
    entries: list[AuditEntry] = []
    async for entry in read_audit(context.office, after=query.after, search=query.q or ""):
        entries.append(entry)
        if len(entries) == query.limit:
            break
    following = entries[-1].number if len(entries) == query.limit else None
    return json_response({"entries": [one.describe() for one in entries], "next": following})


async def show_audit(context: OfficeContext) -> web.StreamResponse:
    """Show the newest changes, or the newest with a text in them."""
    search = context.request.query.get("q", "").strip()
    if len(search) > MAX_SEARCH:
        reason = message("must be at most {count} characters", count=MAX_SEARCH)
        raise InvalidRequest([FieldError("q", reason)])
    entries = await read_newest(context.office, _SHOWN, search=search)
    return context.render("audit.html", entries=entries, search=search, max_search=MAX_SEARCH, shown=_SHOWN)


PAGES: Final = (OfficePage("GET", "audit", show_audit, "admin"),)
ROUTES: Final = (
    OfficeRoute("GET", "/api/v1/audit", "List who has changed what at the head office", list_chain_audit, "admin",
                query=ChainAuditQuery, responses={200: DeclaredResponse("The changes.", "ChainAudit")}),
)  # fmt: skip
