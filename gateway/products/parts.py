"""What works with the product mirror now and then: lists that come in, and the comparison with the cloud.

It takes memory, so each part is imported when there is something for it to do.
"""

import logging
import re
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cloud.client import CloudClient
from gateway.errors import InvalidRequest, TooLarge
from gateway.products.events import ProductListRefused
from gateway.products.mapping_table import SOURCE_PATTERN
from gateway.products.mirror import ProductMirror
from gateway.protocol.event_type import EventType
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import Settings
from gateway.storage.database import Database

if TYPE_CHECKING:
    from gateway.products.folder_watch import FolderWatch
    from gateway.products.list_intake import ListIntake
    from gateway.products.reconciliation import Reconciler

RECONCILIATION_CHECK_S: Final = 3600.0
"""How often to look whether the products have to be compared with the cloud."""

_log = logging.getLogger(__name__)


class ProductParts:
    """The parts around the mirror."""

    def __init__(
        self,
        mirror: ProductMirror,
        database: Database,
        cloud: CloudClient,
        settings: Settings,
        supervisor: Supervisor,
        *,
        account: Callable[[], int],
        report: Callable[[EventType], None],
        now: Callable[[], float],
    ) -> None:
        """`account` returns the number of the settings' account; `report` takes events; `now` is the best clock."""
        self._mirror = mirror
        self._database = database
        self._cloud = cloud
        self._settings = settings
        self._supervisor = supervisor
        self._account = account
        self._report = report
        self._now = now
        self._watch: FolderWatch | None = None
        self._service: Service | None = None

    async def close(self) -> None:
        """Stop watching."""
        if self._service is not None:
            await self._service.stop()
        if self._watch is not None:
            self._watch.close()

    def start(self) -> None:
        """Compare with the cloud once a week, and watch the folder of the settings, if they name one."""
        self._supervisor.start_periodic(
            "product reconciliation",
            lambda: self.reconciler.compare_weekly(),
            interval_s=RECONCILIATION_CHECK_S,
            max_turn_s=3600,
        )
        if self._settings.products.watch:
            self.watch(Path(self._settings.products.watch))

    @cached_property
    def lists(self) -> "ListIntake":
        """Takes lists."""
        from gateway.products.file_table import ProductFileTable
        from gateway.products.list_intake import ListIntake
        from gateway.products.mapping_table import MappingTable

        return ListIntake(
            self._mirror,
            MappingTable(self._database),
            ProductFileTable(self._database, account=self._account),
            self._settings.products.zone,
            report=self._report,
            now=self._now,
        )

    @cached_property
    def reconciler(self) -> "Reconciler":
        """Compares products with what the cloud has."""
        from gateway.products.reconciliation import Reconciler
        from gateway.products.reconciliation_table import ReconciliationTable

        return Reconciler(
            self._mirror,
            self._cloud,
            ReconciliationTable(self._database, account=self._account),
            self._supervisor,
            shop=self._settings.cloud.shop,
            report=self._report,
            now=self._now,
        )

    def watch(self, folder: Path, *, interval_s: float | None = None) -> None:
        """Take the lists that are put into a folder from now on, each as the whole list, as a service."""
        from gateway.products.folder_watch import LOOK_INTERVAL_S, FolderWatch

        source = folder.name if re.fullmatch(SOURCE_PATTERN, folder.name) else ""
        watch = FolderWatch(folder, take=partial(self._take_file, source), refuse=partial(self._report_refused, source))
        self._watch = watch
        self._service = self._supervisor.start_periodic(
            "product folder", watch.look, interval_s=interval_s or LOOK_INTERVAL_S, max_turn_s=600, run_at_start=True
        )

    async def _take_file(self, source: str, file: str, content: bytes) -> None:
        from gateway.products.list_check import LargeChange
        from gateway.products.list_intake import ListOptions

        self._mirror.require_shop()
        if await self.lists.is_known(file, content):
            return
        try:
            report = await self.lists.take(content, ListOptions(kind="complete", source=source, file=file))
        except (InvalidRequest, TooLarge, LargeChange) as exc:
            _log.warning("the list %s was not taken: %s", file, exc.detail)
            return
        if (found := report.found).faults:
            first, count = found.faults[0], found.bad_row_count
            _log.warning(
                "the list %s has bad rows: %d; row %d, %s %s", file, count, first.row, first.field, first.reason
            )

    def _report_refused(self, source: str, file: str, reason: str) -> None:
        _log.warning("the list %s was not taken: %s", file, reason)
        self._report(ProductListRefused(file=file, list_source=source, reason=reason))
