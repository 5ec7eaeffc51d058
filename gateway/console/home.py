"""The first page: whether the shop is all right, and what to do about each thing that is not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.readings import try_read
from gateway.console.page import ConsolePage, PageContext
from gateway.console.restore import find_outcome
from gateway.console.site_plan_progress import count_cameras
from gateway.doctor.check import Finding, Status
from gateway.outbox.model import Stats

_SEVERITY: Final[tuple[Status, ...]] = ("failed", "warning", "ok", "skipped")


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the shop, with the checks that say how it is."""

    name: str
    """Names it in the page."""
    title: Message
    """What people call it."""
    checks: frozenset[str]
    """The doctor's checks that concern it."""
    page: str = ""
    """Where a person sees to it; empty if no page does."""


AREAS: Final = (
    Area(
        "cameras",
        message("Cameras"),
        frozenset(
            {
                "cameras",
                "activation",
                "serial_numbers",
                "camera_clocks",
                "camera_account",
                "client_certificate",
                "client_isolation",
            }
        ),
        "/console/cameras",
    ),
    Area("cloud", message("Cloud"), frozenset({"dns", "cloud_tls", "credentials", "shop", "public_url"})),
    Area("outbox", message("Calls that wait"), frozenset({"outbox"}), "/console/outbox?state=refused"),
    Area(
        "network",
        message("Network"),
        frozenset(
            {
                "interfaces",
                "server_ports",
                "discovery_port",
                "broadcast",
                "multicast",
                "discovery",
                "second_gateway",
                "camera_url",
            }
        ),
    ),
    Area("clock", message("Clock"), frozenset({"clock"})),
    Area("disk", message("Disk and database"), frozenset({"database", "disk", "card"})),
    Area("certificates", message("Certificates"), frozenset({"https_certificate"})),
    Area("gateway", message("Gateway"), frozenset({"subscriptions", "webhooks", "services"})),
)
"""The parts of the shop, in the order of the page. What no area names belongs to the last one."""


@dataclass(frozen=True, slots=True)
class AreaReport:
    """How a part of the shop is."""

    area: Area
    """The part."""
    status: Status
    """The worst status of its findings."""
    findings: Sequence[Finding] = field(default=())
    """What is not all right."""


def report_areas(findings: Sequence[Finding]) -> list[AreaReport]:
    """Return how each part of the shop is, by the doctor's findings."""
    named = frozenset[str]().union(*(area.checks for area in AREAS))
    reports = []
    for area in AREAS:
        own = [one for one in findings if one.check in area.checks or (area is AREAS[-1] and one.check not in named)]
        statuses = {one.status for one in own}
        status = next((one for one in _SEVERITY if one in statuses), _SEVERITY[-1])
        reports.append(AreaReport(area, status, [one for one in own if one.status in ("failed", "warning")]))
    return reports


def find_worst(reports: Sequence[AreaReport]) -> Status:
    """Return how the shop is as a whole: as its worst part."""
    statuses = {one.status for one in reports}
    return next((one for one in _SEVERITY if one in statuses), _SEVERITY[-1])


async def show_home(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("home.html", outcome=find_outcome(context), **await _gather(context))


async def show_overview(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("home_overview.html", **await _gather(context))


async def check_now(context: PageContext) -> web.StreamResponse:
    """Have the doctor look again."""
    context.site.examination.start(context.gateway)
    return context.redirect("/console/")


async def _gather(context: PageContext) -> dict[str, Any]:
    gateway, examination = context.gateway, context.site.examination
    examination.start_if_out_of_date(gateway)
    outbox = await try_read(gateway.outbox.stats()) or Stats(gateway.outbox.depth, None)
    counts = await try_read(gateway.outbox.counts()) or []
    managed = [camera for camera in gateway.registry.all() if camera.managed]
    reports = report_areas(examination.findings)
    return {
        "reports": reports,
        "worst": find_worst(reports),
        "examination": examination,
        "managed": managed,
        "online": sum(camera.online for camera in managed),
        "found": len(gateway.registry.all()) - len(managed),
        "outbox": outbox,
        "refused": sum(one.items for one in counts if one.state == "refused"),
        "cloud": gateway.cloud,
        "has_cloud": bool(gateway.settings.cloud.app_id),
        "site_plan": count_cameras(gateway.shop),
        "site_plan_state": gateway.shop.run_record.state,
    }


PAGES = (
    ConsolePage("GET", "", show_home, "pos"),
    ConsolePage("GET", "overview", show_overview, "pos", shows="part"),
    ConsolePage("POST", "check", check_now, "installer", audited=False),
)
