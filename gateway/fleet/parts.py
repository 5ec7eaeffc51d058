"""Makes the link of the parts of a gateway."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gateway.audit.log import AuditLog
from gateway.cameras.registry import Registry
from gateway.cloud.client import CloudClient
from gateway.discovery.interfaces import find_own_addresses
from gateway.events.log import EventLog
from gateway.events.system_events import SystemEvents
from gateway.fleet.command_desk import CommandDesk
from gateway.fleet.command_table import FleetCommandTable
from gateway.fleet.commands import CommandArguments
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.fleet.day_flow import FlowUplink
from gateway.fleet.documents import ReportedFinding
from gateway.fleet.findings import FindingsReporter
from gateway.fleet.link import FleetLink
from gateway.fleet.link_part import LinkPart
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings
from gateway.storage.database import Database

if TYPE_CHECKING:  # it takes memory
    from gateway.cloud.customer_flow import CustomerFlow


class LinkedGateway(Protocol):
    """The parts of a gateway that its link uses."""

    settings: Settings
    database: Database
    clock: PeerClock
    audit: AuditLog
    event_log: EventLog
    system_events: SystemEvents
    registry: Registry
    outbox: Outbox
    outbox_worker: OutboxWorker
    cloud: CloudClient
    supervisor: Supervisor

    @property
    def flow(self) -> "CustomerFlow":
        """The customer flow of the shop."""


class ShopActions(Protocol):
    """What the link has the gateway do: all of it stands above this room."""

    def act(self, arguments: CommandArguments) -> Awaitable[dict[str, Any]]:
        """Do what a command says, and return its result."""

    def find_out(self) -> Awaitable[Sequence[ReportedFinding]]:
        """Make the doctor's cheap checks, and return what they do not find good."""


def make_link(gateway: LinkedGateway, actions: ShopActions) -> FleetLink:
    """Return the link that the settings describe; it connects to nothing before its `start`."""
    fleet, worker, outbox = gateway.settings.fleet, gateway.outbox_worker, gateway.outbox
    clock, event_log, supervisor, report = (
        gateway.clock,
        gateway.event_log,
        gateway.supervisor,
        gateway.system_events.add,
    )

    def wake() -> None:
        link.wake()

    uplink = EventUplink(
        fleet.shop,
        event_log,
        FleetCursorTable(gateway.database),
        people=fleet.people,
        is_busy=lambda: worker.sending and outbox.unreachable is None,  # calls to a cloud that is away need no line
        report=report,
    )
    presence = PresenceWatch(
        fleet.shop,
        clock,
        event_log,
        report=report,
        find_addresses=find_own_addresses,
        save_cursor=uplink.save,
        on_change=wake,
    )
    desk = CommandDesk(
        fleet, FleetCommandTable(gateway.database), clock, gateway.audit, supervisor, presence, act=actions.act
    )
    reporter = StateReporter(gateway.settings, gateway.registry, outbox, gateway.cloud, supervisor, presence)
    findings = FindingsReporter(fleet.shop, clock, supervisor, find_out=actions.find_out, on_change=wake)
    alone: list[LinkPart] = [uplink, findings]
    cloud = gateway.settings.cloud
    if cloud.app_id and any(cloud.shop.values()):  # else nobody counts
        alone.append(FlowUplink(fleet.shop, lambda: gateway.flow, clock, supervisor, on_change=wake))
    link = FleetLink(fleet, clock, event_log, uplink, presence, desk, supervisor, always=[reporter], alone=alone)
    return link
