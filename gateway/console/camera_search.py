"""The search for cameras that a person starts: it runs as a job, and pages show how far it is."""

import logging
import time
from dataclasses import dataclass
from typing import Final

from gateway.app import Gateway
from gateway.errors import GatewayError

SCAN_S: Final = 5.0
"""How long it lasts, in seconds: a little longer than those that repeat by themselves."""

_log = logging.getLogger(__name__)


@dataclass
class CameraSearch:
    """The search that was started last."""

    running: bool = False
    """Whether it runs now."""
    ended_at: float | None = None
    """When it ended, in monotonic seconds; None if there was none."""
    found: int = 0
    """How many cameras it has found."""
    problem: str = ""
    """Why it could not find every camera; empty if nothing is known."""

    @property
    def age_s(self) -> float | None:
        """How long ago it ended, in seconds."""
        return None if self.ended_at is None else time.monotonic() - self.ended_at

    def start(self, gateway: Gateway) -> None:
        """Look for cameras in the background, unless that runs already."""
        if not self.running:
            self.running = True
            gateway.supervisor.start_job("camera search", self._run(gateway))

    async def _run(self, gateway: Gateway) -> None:
        self.problem = ""
        try:
            result = await gateway.discovery.scan(timeout_s=SCAN_S)
            self.found = len({device.sn for device in result.devices if device.sn})
            self.problem = "; ".join(f"{name}: {one.error}" for name, one in result.methods.items() if one.error)
        except GatewayError as exc:
            self.problem = str(exc)
            _log.warning("the search for cameras failed: %s", exc)
        finally:
            self.running = False
            self.ended_at = time.monotonic()
