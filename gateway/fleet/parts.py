"""Makes the link of the parts of a gateway."""

from gateway.cameras.registry import Registry
from gateway.cloud.client import CloudClient
from gateway.events.log import EventLog
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.fleet.link import FleetLink
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings
from gateway.storage.database import Database


def make_link(
    settings: Settings,
    database: Database,
    event_log: EventLog,
    registry: Registry,
    outbox: Outbox,
    worker: OutboxWorker,
    cloud: CloudClient,
    supervisor: Supervisor,
) -> FleetLink:
    """Return the link that the settings describe; it connects to nothing before its `start`."""
    fleet = settings.fleet
    uplink = EventUplink(
        fleet.shop,
        event_log,
        FleetCursorTable(database),
        people=fleet.people,
        is_busy=lambda: worker.sending and outbox.unreachable is None,  # calls to a cloud that is away need no line
    )
    reporter = StateReporter(settings, registry, outbox, cloud, supervisor)
    return FleetLink(fleet, event_log, uplink, reporter, supervisor)
