"""The command that runs the gateway until it is stopped."""

import asyncio
import contextlib
import faulthandler
import gc
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway import __version__
from gateway.api.first_sign_in import FirstSignIn
from gateway.api.local_socket import HAS_UNIX_SOCKETS, request_health, request_health_at
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.cli.command import CommandContext, run_command
from gateway.cli.interrupt import stop_signal
from gateway.console.site import add_console
from gateway.desired_settings import count_start, note_problem
from gateway.errors import GatewayError
from gateway.runtime import logs
from gateway.runtime.systemd import RestartLimit, ServiceManager, Watchdog
from gateway.settings import find_settings_file
from gateway.storage.state_directory import DESIRED_SETTINGS_FILE, JOIN_CODE_FILE, StateDirectory
from gateway.storage.state_replacement import finish_replacement, has_stage
from gateway.updates.exchange import PendingUpdate, find_folder, has_passed, load_pending, write_verdict

if TYPE_CHECKING:  # imported only where they are used: they take much memory
    from gateway.fleet.documents import DesiredAnswer
    from gateway.updates.wanted import WantedVersion

_HEALTH_INTERVAL_S: Final = 30.0
_HEALTH_TIMEOUT_S: Final = 10.0


@click.command()
@click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True, help="What to log.")
@click.pass_obj
def run(context: CommandContext, log_level: logs.Level) -> None:
    """Run the gateway until it is stopped."""
    logs.configure(log_level)
    # The watchdog ends a gateway that hangs with SIGABRT: then the log tells where it hung.
    faulthandler.enable()
    run_command(context, _serve(context))


async def _serve(context: CommandContext) -> None:
    settings = context.settings(sets_aside=True)
    if _finish_restoration(settings.state_directory):
        settings = context.settings(sets_aside=True)
    stop = stop_signal()
    manager = ServiceManager.from_environment()
    async with manager.extend_start():
        gateway = await Gateway.open(settings, settings_file=find_settings_file(context.config))
    try:
        count_start(gateway.directory.path / DESIRED_SETTINGS_FILE, settings.fleet)
        pending = _hold_new_version(gateway)
        async with _serve_tills(gateway) as urls:
            serves = f"serves on {' '.join(urls)}"
            click.echo(f"sunmi-gateway {serves}", err=True)
            async with manager.ready(lambda: request_health(gateway.socket), f"It {serves}"):
                _watch(gateway, manager)
                gateway.check_api = partial(request_health_at, urls)
                _offer_versions(gateway)
                start = partial(_start, gateway, port_of(urls[0]))
                if pending is None:
                    await start()
                elif not await _prove(gateway, pending, start, stop):
                    await stop.wait()  # until the installer brings the version before back
                    return
                # What exists now stays for good, so no collection need search it.
                gc.freeze()
                if manager.restarts_service:
                    gateway.restart = stop.set
                _join_chain(gateway)
                async with FirstSignIn(gateway):
                    await stop.wait()
    finally:
        await gateway.close()


async def _start(gateway: Gateway, port: int) -> None:
    """Start the background work, and the link to the head office."""
    await gateway.start(port=port, https_port=gateway.settings.server.https_port)
    if gateway.settings.fleet.servers:
        from gateway.api.fleet_actions import FleetActions  # it takes memory

        gateway.start_fleet_link(FleetActions(gateway))


@contextlib.asynccontextmanager
async def _serve_tills(gateway: Gateway) -> AsyncIterator[list[str]]:
    """Serve, and yield the base URLs; remember a failure for the head office, whose settings may be the cause."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            urls = await stack.enter_async_context(serve(gateway, add_pages=add_console))
        except GatewayError as exc:
            note_problem(gateway.directory.path / DESIRED_SETTINGS_FILE, gateway.settings.fleet, str(exc))
            raise
        yield urls


def _join_chain(gateway: Gateway) -> None:
    """Join a chain if a code for that was on the boot partition, and start again when that has worked.

    A shop that has joined before joins anew, as with `sunmi-gateway fleet join`.
    """
    directory = gateway.directory.path
    if not (directory / JOIN_CODE_FILE).exists():
        return
    from gateway.fleet.pending_join import PendingJoin

    def start_again() -> None:
        if gateway.restart is not None:
            gateway.restart()
        else:
            click.echo(
                localize(message("The gateway belongs to its chain from its next start on: restart it")), err=True
            )

    PendingJoin(directory, gateway.supervisor, start_again).start()


def _finish_restoration(directory: Path) -> bool:
    """Put a state in its place that waits for this start; return whether there is another one now.

    Before anything of it is used: it holds settings. Raises `StateError`.
    """
    if not has_stage(directory):
        return False
    held = StateDirectory.acquire(directory)
    try:
        return finish_replacement(held.path)
    finally:
        held.release()


def _watch(gateway: Gateway, manager: ServiceManager) -> None:
    """Request the gateway's health at intervals, and notify the watchdog as long as the vital services work."""
    if HAS_UNIX_SOCKETS:
        gateway.supervisor.start_periodic(
            "api",
            lambda: request_health(gateway.socket),
            interval_s=_HEALTH_INTERVAL_S,
            max_turn_s=_HEALTH_TIMEOUT_S,
            vital=True,
        )
    Watchdog(manager, gateway.supervisor, RestartLimit(gateway.directory.watchdog)).start()


def _offer_versions(gateway: Gateway) -> None:
    """Let the head office have versions installed, where the Debian package's installer is."""
    folder = find_folder()
    if folder is None:
        return
    made: list[WantedVersion] = []

    async def want(version: str, revision: str, *, at_once: bool = False) -> "DesiredAnswer":
        if not made:
            module = await asyncio.to_thread(importlib.import_module, "gateway.updates.wanted")
            made.append(module.WantedVersion(gateway, folder))
        return await made[0].want(version, revision, at_once=at_once)

    gateway.want_version = want


def _hold_new_version(gateway: Gateway) -> PendingUpdate | None:
    """Return the update by which this version was installed, and serve nobody yet; None if it need not prove itself."""
    pending = load_pending(find_folder())
    if pending is None or has_passed(gateway.directory.path, pending):
        return None
    if pending.version != __version__:
        # Another one than was to come, as after an update that was cut off. It serves: that is the better choice.
        write_verdict(gateway.directory.path, pending, __version__, serves=True)
        return None
    gateway.readiness.hold(message("version {version} proves itself before it serves", version=__version__))
    return pending


async def _prove(
    gateway: Gateway, pending: PendingUpdate, start: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> bool:
    proof = await asyncio.to_thread(importlib.import_module, "gateway.updates.proof")
    if not await proof.prove(gateway, pending, start, stop):
        return False
    gateway.readiness.release()
    return True


def port_of(url: str) -> int:
    """Return the port of a base URL that is served."""
    return int(url.rstrip("/").rpartition(":")[2])
