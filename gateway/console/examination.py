"""The doctor's checks, run in the background for the pages that show what they found."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.app import Gateway
from gateway.console.background_run import BackgroundRun
from gateway.doctor.check import CheckContext, Finding, run_checks


@dataclass
class Examination(BackgroundRun):
    """The doctor's last findings, and whether it looks again now."""

    job = "doctor"

    findings: Sequence[Finding] = ()
    """What it found last."""

    async def work(self, gateway: Gateway) -> None:
        """Run every check."""
        from gateway.doctor.checks import CHECKS

        self.findings = await run_checks(CheckContext(gateway.settings, gateway), CHECKS)
