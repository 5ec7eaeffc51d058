"""Work that a page starts and does not wait for: it runs as a job, and pages show how far it is."""

import time
from dataclasses import dataclass
from typing import ClassVar

from gateway.app import Gateway


@dataclass
class BackgroundRun:
    """The run that was started last."""

    job: ClassVar[str]
    """The name of the job."""
    running: bool = False
    """Whether it runs now."""
    ended_at: float | None = None
    """When it ended, in monotonic seconds; None if there was none."""

    @property
    def age_s(self) -> float | None:
        """How long ago it ended, in seconds; None if there was none."""
        return None if self.ended_at is None else time.monotonic() - self.ended_at

    def start(self, gateway: Gateway) -> None:
        """Start it in the background, unless it runs already."""
        if not self.running:
            self.running = True
            gateway.supervisor.start_job(self.job, self._run(gateway))

    async def _run(self, gateway: Gateway) -> None:
        try:
            await self.work(gateway)
        finally:
            self.running = False
            self.ended_at = time.monotonic()

    async def work(self, gateway: Gateway) -> None:
        """Do the work, and keep the result."""
        raise NotImplementedError
