"""What the head office sees of the shop at a glance: one document in the bucket `reported`, under the shop's name."""

import hashlib
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from gateway import __version__
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.cloud.client import CloudClient
from gateway.fleet.documents import ReportedCamera, ReportedState
from gateway.fleet.failures import MessageRefused
from gateway.fleet.link_part import LinkPart
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.subjects import REPORTED, bucket_subject
from gateway.membership import LINK_SERVICE
from gateway.outbox.outbox import Outbox
from gateway.protocol import json_text
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

MIN_INTERVAL_S: Final = 300.0
"""How long at least one report is left as it is."""
RECOVERY_INTERVAL_S: Final = 30.0
"""The same for one that says of a service that it fails, when it works again: it may have failed for a moment only."""

_log: Final = logging.getLogger(__name__)


class StateReporter(LinkPart):
    """Reports the state of the shop when it has changed."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        outbox: Outbox,
        cloud: CloudClient,
        supervisor: Supervisor,
        presence: PresenceWatch,
    ) -> None:
        """Take the parts of the gateway whose state is reported."""
        self._subject = bucket_subject(REPORTED, settings.fleet.shop)
        # It changes with the settings. Secrets are redacted before, so nobody can guess one by it.
        self._settings_digest = hashlib.sha256(json_text.dumps(settings.describe()).encode()).hexdigest()
        self._registry = registry
        self._outbox = outbox
        self._cloud = cloud
        self._supervisor = supervisor
        self._presence = presence
        self._reported: dict[str, Any] | None = None
        self._reported_at = 0.0
        self._refusals = FailureLog(_log, "the head office does not take the state of this shop")

    async def begin(self, _: "FleetConnection") -> None:
        """Report at once: a new connection may lead to another cluster."""
        self._reported = None

    async def work(self, connection: "FleetConnection") -> bool:
        """Report the state if it has changed, and the last report is old enough; that of a clone at once.

        The link is not among what fails: the report proves that it works. Raises `HeadOfficeUnavailable` and
        `StateError`. A report that the servers refuse holds up nothing.
        """
        failing = self._find_failing()
        failing.pop(LINK_SERVICE, None)
        await self._report(connection, failing)
        return False

    async def report_link(self, connection: "FleetConnection") -> None:
        """Report the state with what the link fails with. Raises the same as `work`."""
        await self._report(connection, self._find_failing())

    async def _report(self, connection: "FleetConnection", failing: Mapping[str, str | None]) -> None:
        clone = self._presence.describe_clone()
        if self._reported is not None and clone == self._reported["cloned"] and self._is_young(self._reported, failing):
            return
        outbox = await self._outbox.stats()
        state = self._describe(outbox.depth) | {"failing": failing, "cloned": clone}
        if state == self._reported:
            return
        document = ReportedState(**state, time=utc_text(self._cloud.clock.now()), oldest_item_age_s=outbox.oldest_age_s)
        try:
            await connection.publish(self._subject, document.model_dump_json().encode())
        except MessageRefused as refused:
            self._refusals.failed(refused.reason)
        else:
            self._refusals.recovered()
        self._reported, self._reported_at = state, time.monotonic()

    def _is_young(self, reported: Mapping[str, Any], failing: Mapping[str, str | None]) -> bool:
        age_s = time.monotonic() - self._reported_at
        if age_s < RECOVERY_INTERVAL_S or not reported["failing"]:
            return age_s < MIN_INTERVAL_S
        return age_s < MIN_INTERVAL_S and reported["failing"].keys() <= failing.keys()

    def _find_failing(self) -> dict[str, str | None]:
        reports = self._supervisor.reports()
        return {report.name: report.last_failure for report in reports if report.state == "failing"}

    def _describe(self, depth: int) -> dict[str, Any]:
        """Return what counts as a change when it differs."""
        return {
            "version": __version__,
            "settings_digest": self._settings_digest,
            "cameras": [_describe_camera(camera) for camera in self._registry.all() if camera.managed],
            "cloud_reachable": self._cloud.reachable,
            "outbox": {"depth": depth, "held": self._outbox.held, "away": self._outbox.unreachable},
        }


def _describe_camera(camera: CameraRecord) -> dict[str, Any]:
    """Return of a camera what does not change by itself all the time, as `last_seen` does."""
    described = camera.describe()
    return {name: described[name] for name in ReportedCamera.model_fields}
