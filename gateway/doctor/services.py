"""Check of the gateway's own services and jobs."""

from gateway.doctor.check import CheckContext, Finding, Status
from gateway.runtime.supervisor import TaskReport


async def check_services(context: CheckContext) -> list[Finding]:
    """Report the services and jobs that fail."""
    reports = context.running_gateway.supervisor.reports()
    failing = [report for report in reports if report.state == "failing"]
    if not failing:
        running = sum(report.kind == "service" and report.state == "running" for report in reports)
        return [Finding("ok", f"all {running} services of the gateway work")]
    return [_describe(report) for report in failing]


def _describe(report: TaskReport) -> Finding:
    status: Status = "failed" if report.vital else "warning"
    age_s = report.last_success_age_s
    since = "it has not worked since the gateway started" if age_s is None else f"it worked {age_s:.0f} s ago"
    retried = "it is restarted automatically" if report.kind == "service" else "its work is tried again later"
    advice = f"{retried}; if you cannot remove the cause, make a bundle with sunmi-gateway support-bundle and report it"
    return Finding(
        status,
        f"the {report.kind} {report.name!r} fails: {report.last_failure}",
        f"{since}; {report.failures} failures",
        advice,
    )
