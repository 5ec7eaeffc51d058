"""All that keeps the shop's labels right, made and started together."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import cache, partial
from pathlib import Path
from typing import Final

from gateway.cloud.client import CloudClient
from gateway.label_settings import LabelSettings
from gateway.labels.cloud_labels import CloudLabels
from gateway.labels.confirmation import LabelConfirmation
from gateway.labels.drawing import LabelDrawing
from gateway.labels.fonts import load_fonts
from gateway.labels.label_table import LabelTable
from gateway.labels.template_folder import TemplateFolder
from gateway.labels.updater import LabelUpdater
from gateway.outbox.outbox import Outbox
from gateway.products.mirror import ProductMirror
from gateway.protocol.event_type import EventType
from gateway.runtime.metrics import Metrics
from gateway.runtime.supervisor import Service, Supervisor
from gateway.storage.state_directory import LABEL_TEMPLATES_FOLDER

VERIFICATION_INTERVAL_S: Final = 86400.0
"""How often all labels are asked for without a reason, in seconds: somebody may have changed one at the vendor's."""


class LabelParts:
    """The labels of the shop: `updater` is the way in."""

    def __init__(
        self,
        table: LabelTable,
        state_directory: Path,
        settings: LabelSettings,
        cloud: CloudClient,
        outbox: Outbox,
        products: ProductMirror,
        supervisor: Supervisor,
        *,
        shop: Mapping[str, str],
        zone: tzinfo | None,
        report: Callable[[EventType], None],
        metrics: Metrics,
    ) -> None:
        self.table = table
        """The labels as they are stored."""
        self.templates = TemplateFolder(state_directory / LABEL_TEMPLATES_FOLDER)
        """The templates by which labels are drawn."""
        now = cloud.clock.now
        font = Path(settings.font) if settings.font else None
        self.updater = LabelUpdater(
            self.table,
            outbox,
            self.templates,
            LabelDrawing(self.templates, cache(partial(load_fonts, font)), zone=zone),
            shop=shop,
            pushes_at_once=settings.pushes_at_once,
            now=now,
            trusted_time=lambda: products.schedule.now,
            report=report,
            metrics=metrics,
        )
        self.confirmation = LabelConfirmation(
            self.updater,
            CloudLabels(cloud, shop),
            confirm_within_s=settings.confirm_within_s,
            now=now,
            report=report,
        )
        """Asks whether labels show their pictures."""
        self._supervisor = supervisor
        self._services: list[Service] = []
        self.updater.on_unconfirmed = self.confirmation.wake
        self.updater.on_stored = self.start
        outbox.on_ended.append(self.updater.note_ended)
        products.on_changed.append(self.updater.wake)

    def start(self) -> None:
        """Keep the labels right from now on. A second call does nothing."""
        if not self._services:
            start = self._supervisor.start_service
            verify = self.updater.verify
            self._services = [
                start("label updater", self.updater.run, max_turn_s=600),
                start("label confirmation", self.confirmation.run, max_turn_s=600),
                self._supervisor.start_periodic("label verification", verify, interval_s=VERIFICATION_INTERVAL_S),
            ]

    async def close(self) -> None:
        """Stop. What is not on the labels yet is taken up at the next start."""
        for service in self._services:
            await service.stop()
