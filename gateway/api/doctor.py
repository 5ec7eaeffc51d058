"""The doctor over REST."""

from aiohttp import web

from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response


async def doctor(context: RequestContext) -> web.StreamResponse:
    """Run every check. This takes some seconds, and calls cameras and the cloud."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.doctor.check import CheckContext, run_checks
    from gateway.doctor.checks import CHECKS

    findings = await run_checks(CheckContext(context.gateway.settings, context.gateway), CHECKS)
    return json_response({"findings": [finding.describe() for finding in findings]})


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
