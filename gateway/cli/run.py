"""The command that runs the gateway until it is told to stop."""

import asyncio
import gc
import signal

import click

from gateway import logs
from gateway.api.server import serving
from gateway.app import Gateway
from gateway.cli.session import Session, finish


@click.command()
@click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True, help="What to log.")
@click.pass_obj
def run(session: Session, log_level: logs.Level) -> None:
    """Run the gateway until it is told to stop."""
    logs.set_up(log_level)
    finish(session, _serve(session))


async def _serve(session: Session) -> None:
    settings = session.settings()
    stop = stop_signal()
    gateway = await Gateway.open(settings)
    try:
        async with serving(gateway) as urls:
            click.echo(f"sunmi-gateway serves on {' '.join(urls)}", err=True)
            await gateway.start(port=port_of(urls[0]), https_port=settings.server.https_port)
            # What is there now stays: looking through it for garbage again and again takes a tenth of the processor.
            gc.collect()
            gc.freeze()
            await stop.wait()
    finally:
        await gateway.close()


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
