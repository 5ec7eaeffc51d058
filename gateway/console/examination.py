"""The doctor's checks, run in the background for the pages that show what they found."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding, run_checks


@dataclass
class Examination:
    """The doctor's last findings, and whether it looks again now."""

    findings: Sequence[Finding] = ()
    """What it found last."""
    ended_at: float | None = None
    """When that was, in monotonic seconds."""
    running: bool = False
    """Whether the checks run now."""

    @property
    def age_s(self) -> float | None:
        """How old the findings are; None if there are none."""
        return None if self.ended_at is None else time.monotonic() - self.ended_at

    def start(self, gateway: Gateway) -> None:
        """Run the checks in the background, unless they run already."""
        if not self.running:
            self.running = True
            gateway.supervisor.start_job("doctor", self._run(gateway))

    async def _run(self, gateway: Gateway) -> None:
        from gateway.doctor.checks import CHECKS

        try:
            self.findings = await run_checks(CheckContext(gateway.settings, gateway), CHECKS)
            self.ended_at = time.monotonic()
        finally:
            self.running = False
