"""The command that runs the gateway until it is stopped."""

import asyncio
import faulthandler
import gc
import signal
from pathlib import Path
from typing import Final

import click

from gateway.api.first_sign_in import FirstSignIn
from gateway.api.local_socket import HAS_UNIX_SOCKETS, socket_session
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.cli.command import CommandContext, run_command
from gateway.console.site import add_console
from gateway.runtime import logs
from gateway.runtime.systemd import RestartLimit, ServiceManager, Watchdog
from gateway.settings import find_settings_file
from gateway.storage.state_directory import StateDirectory
from gateway.storage.state_replacement import finish_replacement, has_stage

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
        async with serve(gateway, add_pages=add_console) as urls:
            serves = f"serves on {' '.join(urls)}"
            click.echo(f"sunmi-gateway {serves}", err=True)
            async with manager.ready(lambda: _request_health(gateway), f"It {serves}"):
                _watch(gateway, manager)
                await gateway.start(port=port_of(urls[0]), https_port=settings.server.https_port)
                # What exists now stays for good, so no collection need search it.
                gc.freeze()
                if manager.restarts_service:
                    gateway.restart = stop.set
                async with FirstSignIn(gateway):
                    await stop.wait()
    finally:
        await gateway.close()


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
            lambda: _request_health(gateway),
            interval_s=_HEALTH_INTERVAL_S,
            max_turn_s=_HEALTH_TIMEOUT_S,
            vital=True,
        )
    Watchdog(manager, gateway.supervisor, RestartLimit(gateway.directory.watchdog)).start()


async def _request_health(gateway: Gateway) -> None:
    """Request the gateway's health, as a command would. Raises if it does not respond."""
    async with socket_session(gateway.socket) as session, session.get("/healthz") as response:
        response.raise_for_status()


def port_of(url: str) -> int:
    """Return the port of a base URL that is served."""
    return int(url.rstrip("/").rpartition(":")[2])


def stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C or the service's stop signal sets from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    return stop
