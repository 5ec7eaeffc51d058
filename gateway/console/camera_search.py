"""The search for cameras that a person starts: pages show how far it is."""

import logging
from dataclasses import dataclass
from typing import Final

from firmware_tools.language import describe_error, join, message
from gateway.app import Gateway
from gateway.console.background_run import BackgroundRun
from gateway.errors import GatewayError

SCAN_S: Final = 5.0
"""How long it lasts, in seconds: a little longer than those that repeat by themselves."""

_log = logging.getLogger(__name__)


@dataclass
class CameraSearch(BackgroundRun):
    """The search that was started last."""

    job = "camera search"

    found: int = 0
    """How many cameras it has found."""
    problem: str = ""
    """Why it could not find every camera; empty if nothing is known."""

    async def work(self, gateway: Gateway) -> None:
        """Look for cameras."""
        self.problem = ""
        try:
            result = await gateway.discovery.scan(timeout_s=SCAN_S)
            self.found = len({device.sn for device in result.devices if device.sn})
            self.problem = join(
                "; ",
                [
                    message("{method}: {reason}", method=name, reason=one.error)
                    for name, one in result.methods.items()
                    if one.error
                ],
            )
        except GatewayError as exc:
            self.problem = describe_error(exc)
            _log.warning("the search for cameras failed: %s", exc)
