"""Check of the link to the head office of a chain."""

from typing import Final

from firmware_tools.language import count_message, join, message
from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding
from gateway.membership import JOIN_SERVICE, LINK_SERVICE

_NETWORK: Final = message("look at the servers' names in fleet.servers, and at the shop's way to the internet")
_JOIN: Final = message(
    "see that `sunmi-gateway office serve` runs at the head office, and that this shop reaches it; a code that is "
    "refused is replaced by another one: on the boot partition, or by sunmi-gateway fleet join CODE"
)
_ADVICE: Final = (
    (
        ("pip install",),
        message(
            "install the Debian package, or run pip install '.[fleet]' in the folder of the gateway's source; then "
            "restart the gateway"
        ),
    ),
    (
        ("expired certificate", "certificate expired", "certificate_expired"),
        message(
            "let the shop join again: sunmi-gateway fleet join CODE; if its certificate is new, the servers' clocks "
            "are wrong"
        ),
    ),
    (
        ("certificate verify failed",),
        message("the servers are not those of this chain: correct fleet.servers, or fleet.ca_file"),
    ),
    (
        ("no longer takes this gateway", "unknown ca", "bad certificate", "revoked"),
        message(
            "if the shop is to stay, let the head office enrol it anew (sunmi-gateway office enrol SHOP --again), then "
            "run sunmi-gateway fleet join CODE here; if it has ended: sunmi-gateway fleet leave"
        ),
    ),
    (
        ("permissions violation", "takes no message of this shop"),
        message("the shop's name does not fit its certificate: correct fleet.shop, or let the shop join again"),
    ),
    (
        ("fleet.",),
        message("correct that setting, or let the shop join again: sunmi-gateway fleet join CODE"),
    ),
)
"""What to do by what the reason of a failure has in it, in lower case; the first that fits."""


async def check_link(context: CheckContext) -> list[Finding]:
    """See whether what the head office is to get reaches it, and whether this gateway is the only one of its shop."""
    gateway = context.running_gateway
    link = gateway.fleet_link
    findings = _check_join(gateway)
    if link is None:
        return findings or [Finding("skipped", message("there is no head office (fleet.servers)"))]
    status = link.status()
    if status.cloned is not None:
        what = message(
            "another gateway has this shop's certificate, so neither sends anything to the head office or follows it"
        )
        other = message(
            "{host}, {addresses}, since {since}",
            host=status.cloned["host"],
            addresses=", ".join(status.cloned["addresses"]),
            since=status.cloned["since"],
        )
        advice = message(
            "switch one of them off, or let one join as a shop of its own: sunmi-gateway fleet join CODE; "
            "15 minutes later this one goes on"
        )
        findings.append(Finding("failed", what, other, advice))
    waiting = count_message("{count} event waits", "{count} events wait", status.events_waiting)
    failure = _find_failure(gateway)
    if failure:
        lowered = failure.lower()
        advice = next((advice for fragments, advice in _ADVICE if any(one in lowered for one in fragments)), _NETWORK)
        what = message("the head office gets nothing of this shop: {reason}", reason=failure)
        return [*findings, Finding("failed", what, waiting, advice)]
    if status.connected_since is None:
        return [*findings, Finding("skipped", message("the link to the head office is being made"), waiting)]
    connected = message("connected to {server} since {since}", server=status.server or "", since=status.connected_since)
    return findings or [Finding("ok", message("the head office is reached"), join("; ", [connected, waiting]))]


def _check_join(gateway: Gateway) -> list[Finding]:
    """See what becomes of a join code from the boot partition, if there is one."""
    reports = [one for one in gateway.supervisor.reports() if one.name == JOIN_SERVICE]
    if not reports or (reports[0].state != "failing" and reports[0].last_success_age_s is not None):
        return []
    if reports[0].state != "failing":
        return [Finding("skipped", message("the gateway is joining its chain with a code"))]
    what = message(
        "the gateway has a join code, and has not joined its chain: {reason}", reason=reports[0].last_failure
    )
    return [Finding("failed", what, "", _JOIN)]


def _find_failure(gateway: Gateway) -> str:
    """Return why the link fails now; empty if it does not."""
    reports = [one for one in gateway.supervisor.reports() if one.name == LINK_SERVICE]
    return next((one.last_failure or "" for one in reports if one.state == "failing"), "")
