"""The command that runs the gateway until it is told to stop."""

import asyncio
import faulthandler
import gc
import logging
import signal

import click

from gateway.api.server import serving, socket_session
from gateway.app import Gateway
from gateway.cli.session import Session, finish, messages
from gateway.service import ServiceManager


@click.command()
@click.pass_obj
def run(session: Session) -> None:
    """Run the gateway until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # It logs a trace for every request that is no HTTP, which anybody on the network can send as often as he likes.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # The watchdog ends a gateway that hangs with SIGABRT: then the log tells where it hung.
    faulthandler.enable()
    finish(session, _serve(session))


async def _serve(session: Session) -> None:
    settings = session.settings()
    stop = stop_signal()
    manager = ServiceManager.from_environment()
    async with manager.patience():
        gateway = await Gateway.open(settings)
    try:
        async with serving(gateway) as urls:
            serves = f"serves on {' '.join(urls)}"
            messages.print(f"sunmi-gateway {serves}")
            async with manager.ready(lambda: _answers(gateway), f"It {serves}"):
                await gateway.start(port=port_of(urls[0]), https_port=settings.server.https_port)
                # What is there now stays: to look through it for garbage again and again takes a tenth of the time.
                gc.collect()
                gc.freeze()
                await stop.wait()
    finally:
        await gateway.close()


async def _answers(gateway: Gateway) -> None:
    """Ask the gateway for its health, as a command would. Raises if it does not answer."""
    async with socket_session(gateway.socket) as own, own.get("/healthz") as answer:
        answer.raise_for_status()


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
