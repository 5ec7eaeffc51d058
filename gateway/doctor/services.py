"""Check of the gateway's own services and jobs."""

from firmware_tools.language import count_message, message
from gateway.doctor.check import CheckContext, Finding, Status
from gateway.membership import JOIN_SERVICE, LINK_SERVICE
from gateway.runtime.supervisor import TaskReport


async def check_services(context: CheckContext) -> list[Finding]:
    """Report the services and jobs that fail."""
    reports = context.running_gateway.supervisor.reports()
    failing = [report for report in reports if report.state == "failing"]
    if not failing:
        running = sum(report.kind == "service" and report.state == "running" for report in reports)
        return [Finding("ok", message("all {running} services of the gateway work", running=running))]
    return [_describe(report) for report in failing]


def _describe(report: TaskReport) -> Finding:
    status: Status = "failed" if report.vital else "warning"
    age_s = report.last_success_age_s
    since = message("it has not worked since the gateway started")
    if age_s is not None:
        since = message("it worked {seconds:.0f} s ago", seconds=age_s)
    advice = message("do what the check head_office says")
    if report.name not in (LINK_SERVICE, JOIN_SERVICE):
        is_service = report.kind == "service"
        retried = message("it is restarted automatically") if is_service else message("its work is tried again later")
        advice = message(
            "{retried}; if you cannot remove the cause, make a bundle with sunmi-gateway support-bundle and report it",
            retried=retried,
        )
    return Finding(
        status,
        message("the {kind} {name!r} fails: {reason}", kind=report.kind, name=report.name, reason=report.last_failure),
        count_message("{since}; {count} failure", "{since}; {count} failures", report.failures, since=since),
        advice,
    )
