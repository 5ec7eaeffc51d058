"""The doctor's checks, run in the background for the pages that show what they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.app import Gateway
from gateway.console.background_run import BackgroundRun
from gateway.doctor.check import CheckContext, Finding, run_checks

MAX_FINDINGS_AGE_S: Final = 600.0
"""How old the doctor's findings become before somebody who looks at them has them made anew."""

MIN_FINDINGS_AGE_S: Final = 15.0
"""How old findings that are contradicted become before that: the doctor and the calls need not notice at once."""


@dataclass
class Examination(BackgroundRun):
    """The doctor's last findings, and whether it looks again now."""

    job = "doctor"

    findings: Sequence[Finding] = ()
    """What it found last."""

    def start_if_out_of_date(self, gateway: Gateway) -> None:
        """Have the doctor look again if its findings are old, or say what is no longer so."""
        if is_out_of_date(self.findings, self.age_s, cloud_reachable=gateway.cloud.reachable):
            self.start(gateway)

    async def work(self, gateway: Gateway) -> None:
        """Run every check."""
        from gateway.doctor.checks import CHECKS

        self.findings = await run_checks(CheckContext(gateway.settings, gateway), CHECKS)


def is_out_of_date(findings: Sequence[Finding], age_s: float | None, *, cloud_reachable: bool | None) -> bool:
    """Tell whether the doctor has to look again: its findings are old, or say of the cloud what is no longer so."""
    if age_s is None or age_s > MAX_FINDINGS_AGE_S:
        return True
    connection = {one.status for one in findings if one.check == "cloud_tls"}
    contradicted = "failed" if cloud_reachable else "ok"
    return cloud_reachable is not None and contradicted in connection and age_s > MIN_FINDINGS_AGE_S
