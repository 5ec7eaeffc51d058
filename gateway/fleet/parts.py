"""Makes the link of the parts of a gateway."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.audit.log import AuditLog
from gateway.cameras.registry import Registry
from gateway.cloud.client import CloudClient
from gateway.discovery.interfaces import find_own_addresses
from gateway.events.log import EventLog
from gateway.events.system_events import SystemEvents
from gateway.fleet.command_handler import CommandHandler
from gateway.fleet.command_table import FleetCommandTable
from gateway.fleet.commands import CommandArguments
from gateway.fleet.content_table import FleetContentTable
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.fleet.day_flow import FlowUplink
from gateway.fleet.desired_content import DesiredContent
from gateway.fleet.desired_follower import ApiCheck, DesiredFollower, VersionInstaller
from gateway.fleet.documents import ReportedFinding
from gateway.fleet.findings import FindingsReporter
from gateway.fleet.followed_settings import FollowedSettings
from gateway.fleet.link import FleetLink
from gateway.fleet.link_part import LinkPart
from gateway.fleet.link_throttle import LinkThrottle
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.products.mirror import ProductMirror
from gateway.runtime.changes_under_way import ChangesUnderWay
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.state_directory import DESIRED_SETTINGS_FILE, StateDirectory
from gateway.storage.uptime_table import Uptime

if TYPE_CHECKING:  # it takes memory
    from gateway.cloud.customer_flow import CustomerFlow
    from gateway.products.list_intake import ListIntake


class LinkedGateway(Protocol):
    """The parts of a gateway that its link uses."""

    settings: Settings
    settings_file: Path | None
    restart: Callable[[], None] | None
    want_version: VersionInstaller | None
    check_api: ApiCheck | None
    changes_under_way: ChangesUnderWay
    directory: StateDirectory
    uptime: Uptime
    products: ProductMirror
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

    @property
    def product_lists(self) -> "ListIntake":
        """The intake of lists of products."""


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

    def is_busy() -> bool:
        return worker.sending and outbox.unreachable is None  # calls to a cloud that is away need no line

    uplink = EventUplink(
        fleet,
        event_log,
        FleetCursorTable(gateway.database),
        is_busy=is_busy,
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
    commands = CommandHandler(
        fleet, FleetCommandTable(gateway.database), clock, gateway.audit, supervisor, presence, act=actions.act
    )
    reporter = StateReporter(gateway.settings, gateway.registry, outbox, gateway.cloud, supervisor, presence)
    findings = FindingsReporter(fleet.shop, clock, supervisor, find_out=actions.find_out, on_change=wake)
    follower = _make_follower(gateway, is_busy, presence, commands)
    alone: list[LinkPart] = [uplink, findings]
    cloud = gateway.settings.cloud
    if cloud.app_id and any(cloud.shop.values()):  # else nobody counts
        alone.append(
            FlowUplink(
                fleet.shop,
                lambda: gateway.flow,
                clock,
                supervisor,
                account=str(outbox.accounts.current),
                on_change=wake,
            )
        )
    link = FleetLink(
        fleet,
        clock,
        event_log,
        uplink,
        presence,
        commands,
        follower,
        supervisor,
        alone=alone,
        reporter=reporter,
    )
    return link


def _make_follower(
    gateway: LinkedGateway, is_busy: Callable[[], bool], presence: PresenceWatch, commands: CommandHandler
) -> DesiredFollower:
    directory = gateway.directory.path
    settings = FollowedSettings(
        directory / DESIRED_SETTINGS_FILE, gateway.settings, gateway.settings_file, gateway.uptime
    )
    content = DesiredContent(
        directory,
        FleetContentTable(gateway.database),
        gateway.products,
        lambda: gateway.product_lists,
        LinkThrottle(is_busy),
        account=gateway.outbox.accounts.number,
        report=gateway.system_events.add,
    )
    return DesiredFollower(
        gateway.settings.fleet.shop,
        settings,
        content,
        commands,
        gateway.clock,
        gateway.supervisor,
        find_restart=lambda: gateway.restart,
        find_installer=lambda: gateway.want_version,
        find_api_check=lambda: gateway.check_api,
        is_busy=lambda: gateway.changes_under_way.count > 0,
        is_cloned=lambda: presence.is_cloned,
    )
