"""The site plan over REST: a whole shop in one list, its run, and how far each camera is."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.bodies import Body, begins_as_json, check_body, parse_object, read_body
from gateway.api.body_reader import read_bytes
from gateway.api.changes import mark_unchanged, name_object
from gateway.api.query import Query, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.api.validation import RequestModel
from gateway.errors import FieldError, InvalidRequest
from gateway.settings import ProvisioningSettings
from gateway.shop.plan import MAX_CAMERAS, SitePlan
from gateway.shop.plan_reader import read_document, read_list
from gateway.shop.plan_settings import PLAN_SETTINGS
from gateway.shop.run_record import RunRequest

_LIST_TYPES: Final = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_SETTINGS: Final = (
    f"Lens and detection settings by the vendor's names: {', '.join(f'`{name}`' for name in PLAN_SETTINGS)}."
)


class PlannedCameraBody(RequestModel):
    """One camera of a plan."""

    sn: str | None = Field(default=None, description="The serial number.", examples=["FM020A2300001"])
    mac: str | None = Field(
        default=None,
        description="The MAC address; one of both is needed, and both have to belong together.",
        examples=["04:12:24:E3:45:12"],
    )
    activation_number: str | None = Field(
        default=None,
        description="The number that the vendor gives out for the camera.",
        json_schema_extra={"writeOnly": True},
    )
    name: str | None = Field(default=None, description="The name to give to it.", examples=["Entrance"])
    place: str | None = Field(default=None, description="Where it hangs, for people.", examples=["above the door"])
    settings: dict[str, int] = Field(default_factory=dict, description=_SETTINGS, examples=[{"zoom": 200, "irmode": 2}])


class PlannedWifiBody(RequestModel):
    """The Wi-Fi network of a plan, for cameras in hotspot mode."""

    ssid: str = Field(description="Its name.", examples=["Shop"])
    password: str | None = Field(
        default=None,
        description="Its password. Left out for the network of `provisioning.ssid`: its own.",
        json_schema_extra={"writeOnly": True},
    )
    hidden: bool = Field(default=False, description="Whether it hides its name.")


class SitePlanBody(Body):
    """A site plan: the cameras of a shop as they shall be. A list, as a spreadsheet saves it, is taken too."""

    cameras: list[PlannedCameraBody] = Field(
        description="The cameras.", min_length=1, max_length=MAX_CAMERAS, examples=[[{"sn": "FM020A2300001"}]]
    )
    defaults: dict[str, int] = Field(
        default_factory=dict, description=f"Settings of every camera that has none of its own. {_SETTINGS}"
    )
    wifi: PlannedWifiBody | None = Field(
        default=None, description="Left out: the network of `[provisioning]` in the settings."
    )


class DryRunQuery(Query):
    """Which cameras a run would work on."""

    only: Literal["failed"] | None = Field(
        default=None, description="`failed`: only cameras that are not done, and only their steps that are not."
    )


class RunBody(Body):
    """How the plan is to be run."""

    confirm_erase: int | None = Field(
        default=None,
        description="The number of cameras that lose their face groups, as `erases` says it: a person agrees to that.",
        examples=[19],
    )
    confirm_offline: bool | None = Field(
        default=None,
        description="Whether this machine may leave the shop's network to join the hotspots of new cameras; needed "
        "only where it has no other interface there. With `false`, a person joins them.",
    )
    dry_run: bool = Field(default=False, description="Whether only to say what would be done.")
    only: Literal["failed"] | None = Field(
        default=None, description="`failed`: only cameras that are not done, and only their steps that are not."
    )


async def _read_plan(context: RequestContext) -> SitePlan:
    """Read a plan: JSON if the body is an object, else a list. Raises `InvalidRequest` with every fault."""
    raw = await read_bytes(context.request)
    settings = context.gateway.settings.provisioning
    if not raw.strip():
        raise InvalidRequest([FieldError("body", message("a site plan is needed: JSON, or a list as CSV"))])
    if not begins_as_json(raw):
        return await asyncio.to_thread(read_list, raw, message("the list"), settings)
    return parse_plan(parse_object(raw), settings)


def parse_plan(document: Mapping[str, Any], settings: ProvisioningSettings) -> SitePlan:
    """Return a plan in JSON as one. Raises `InvalidRequest` with every fault."""
    return read_document(check_body(document, SitePlanBody).model_dump(), settings)


async def check_site_plan(context: RequestContext) -> web.StreamResponse:
    """Check a plan as a whole, and keep nothing of it."""
    return json_response(context.gateway.shop.check(await _read_plan(context)))


async def dry_run_site_plan(context: RequestContext) -> web.StreamResponse:
    """Say what a run of a plan would do, and keep nothing of it."""
    query = read_query(context.request.query, DryRunQuery)
    request = RunRequest(only_failed=query.only == "failed")
    return json_response(await context.gateway.shop.describe_dry_run(request, await _read_plan(context)))


async def put_site_plan(context: RequestContext) -> web.StreamResponse:
    """Check a plan as a whole, and keep it in place of the former one."""
    plan = await _read_plan(context)
    await context.gateway.shop.replace(plan)
    name_object(context.request, f"{len(plan.cameras)} cameras")
    return json_response(context.gateway.shop.describe())


async def show_site_plan(context: RequestContext) -> web.StreamResponse:
    """Show the plan, and how far each camera is."""
    return json_response(context.gateway.shop.describe())


async def delete_site_plan(context: RequestContext) -> web.StreamResponse:
    """Forget the plan with its secrets; cameras stay as they are."""
    await context.gateway.shop.delete()
    return web.Response(status=204)


async def run_site_plan(context: RequestContext) -> web.StreamResponse:
    """Start the run, or say what it would do."""
    body = await read_body(context.request, RunBody)
    shop = context.gateway.shop
    request = RunRequest(
        only_failed=body.only == "failed", confirm_erase=body.confirm_erase, confirm_offline=body.confirm_offline
    )
    if body.dry_run:
        mark_unchanged(context.request)
        return json_response(await shop.describe_dry_run(request))
    await shop.start_run(request)
    document: dict[str, Any] = shop.describe()
    name_object(context.request, f"{len(document['cameras'])} cameras")
    return json_response(document, 202, {"Location": _PLAN})


async def stop_site_plan(context: RequestContext) -> web.StreamResponse:
    """Stop the run; what was done stays."""
    await context.gateway.shop.stop_run()
    return json_response(context.gateway.shop.describe())


_PLAN: Final = "/api/v1/site-plan"
_SHOWN = {200: DeclaredResponse("The plan.", "SitePlan")}
_STARTED = {
    200: DeclaredResponse("What a run would do.", "SitePlanDryRun"),
    202: DeclaredResponse("The run has begun; `Location` shows its progress.", "SitePlan", headers=("Location",)),
}

ROUTES = (
    Route(
        "POST",
        f"{_PLAN}/check",
        "Check a site plan",
        check_site_plan,
        "installer",
        SitePlanBody,
        _SHOWN,
        audited=False,
        file_types=_LIST_TYPES,
    ),
    Route(
        "POST",
        f"{_PLAN}/dry-run",
        "Say what a run of a site plan would do",
        dry_run_site_plan,
        "installer",
        SitePlanBody,
        {200: DeclaredResponse("What a run would do.", "SitePlanDryRun")},
        query=DryRunQuery,
        audited=False,
        file_types=_LIST_TYPES,
    ),
    Route(
        "PUT",
        _PLAN,
        "Keep a site plan",
        put_site_plan,
        "installer",
        SitePlanBody,
        _SHOWN,
        file_types=_LIST_TYPES,
    ),
    Route(
        "GET",
        _PLAN,
        "Show the site plan and how far it is",
        show_site_plan,
        "installer",
        responses=_SHOWN,
        etag_ignores=(),
    ),
    Route(
        "DELETE",
        _PLAN,
        "Forget the site plan",
        delete_site_plan,
        "installer",
        responses={204: DeclaredResponse("Forgotten.")},
    ),
    Route("POST", f"{_PLAN}/run", "Run the site plan", run_site_plan, "installer", RunBody, _STARTED),
    Route("DELETE", f"{_PLAN}/run", "Stop the run of the site plan", stop_site_plan, "installer", responses=_SHOWN),
)
