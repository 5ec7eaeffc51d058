"""The doctor over REST."""

from typing import Any

from aiohttp import web

from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.app import Gateway


async def doctor(context: RequestContext) -> web.StreamResponse:
    """Run every check. This takes some seconds, and calls cameras and the cloud."""
    return json_response(await examine(context.gateway))


async def examine(gateway: Gateway) -> dict[str, Any]:
    """Return what every check of the doctor finds, as JSON."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.doctor.check import CheckContext, run_checks
    from gateway.doctor.checks import CHECKS

    findings = await run_checks(CheckContext(gateway.settings, gateway), CHECKS)
    return {"findings": [finding.describe() for finding in findings]}


ROUTES = (
    Route(
        "POST",
        "/api/v1/doctor",
        "Find out why something does not work",
        doctor,
        "admin",
        responses={200: DeclaredResponse("What the checks found.", "DoctorReport")},
        audited=False,
    ),
)
