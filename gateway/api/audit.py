"""The audit log over REST: who changed what."""

from aiohttp import web
from pydantic import Field

from gateway.api.query import Query, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.audit.change import Change
from gateway.audit.log import MAX_PAGE
from gateway.runtime.timestamps import utc_text


class AuditQuery(Query):
    """Which changes are read."""

    before: WholeNumber | None = Field(default=None, description="Only changes before this number: `next` of a page.")
    limit: WholeNumber = Field(default=100, ge=1, le=MAX_PAGE, description="How many changes a page has at most.")


async def list_changes(context: RequestContext) -> web.StreamResponse:
    """Return who changed what, the newest first."""
    query = read_query(context.request.query, AuditQuery)
    changes, following = await context.gateway.audit.read(before=query.before, limit=query.limit)
    return json_response({"changes": [describe_change(one) for one in changes], "next": following})


def describe_change(change: Change) -> dict[str, object]:
    """Return a change as the REST API shows it."""
    return {
        "number": change.number,
        "time": utc_text(change.time),
        "who": change.who or "local",
        "via": change.via,
        "action": change.action,
        "object": change.object,
    }


ROUTES = (
    Route(
        "GET",
        "/api/v1/audit",
        "Read who changed what",
        list_changes,
        "admin",
        responses={200: DeclaredResponse("The changes, the newest first.", "ChangeList")},
        query=AuditQuery,
    ),
)
