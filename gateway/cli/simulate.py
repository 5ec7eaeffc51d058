"""Commands that simulate cameras and the cloud, for integrators who have no hardware."""

import asyncio
import contextlib
import json
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli import simulator_files
from gateway.cli.command import CommandContext, run_command
from gateway.cli.fault_option import FaultCommand, Injector, fault_option, inject
from gateway.cli.interrupt import stop_signal
from gateway.cli.output import messages, print_members, print_table
from gateway.cli.program import write_program
from gateway.errors import StateError
from gateway.settings import ServerSettings
from gateway.simulator.account import APP_ID, SECRET_KEY, SHOP_ID
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_memory import CloudMemory
from gateway.simulator.discovery import DiscoveryResponder
from gateway.simulator.faults import FaultInjection
from gateway.simulator.ports import find_free_port
from gateway.simulator.product_fetch import fetch_product_pages
from gateway.simulator.store import CA_FILE_NAME, MAX_CAMERAS, WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from gateway.simulator.traffic import TrafficGenerator

T = TypeVar("T")
Server = TypeVar("Server", SimulatedCamera, SimulatedCloud, DiscoveryResponder)

_FOLDER: Final = simulator_files.default_directory()
_SAVE_INTERVAL_S: Final = 1.0
_EXAMPLE_ACCOUNT: Final = {"JO83UNV983U9OR": "demo-secret"}
"""The account of the vendor's worked example of an activation may activate the simulated camera, too."""


@click.group()
def simulate() -> None:
    """Simulated cameras and cloud: camera, cloud, store."""


_faults = fault_option("--fault", "faults", message("Inject a fault, as slow:seconds=3,times=2; repeatable."))
_app_id = click.option("--app-id", default=APP_ID, show_default=True)
_secret_key = click.option("--secret-key", default=SECRET_KEY, show_default=True)


@simulate.command(cls=FaultCommand)
@click.option("--sn", default="FS101D8BS00106", show_default=True)
@click.option("--model", type=click.Choice(["FM010", "FM020"]), default="FM020", show_default=True)
@click.option("--mac", default="04:12:24:E3:45:12", show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address where it serves HTTPS.")
@click.option("--port", default=0, help="Its HTTPS port; 0 takes a free one.")
@click.option("--broadcast-port", default=10001, show_default=True, help="The UDP port of discovery.")
@_app_id
@_secret_key
@click.option("--activation-number", default="12345678", show_default=True)
@click.option("--activated", is_flag=True, help="Already activated by that app_id.")
@_faults
@click.pass_obj
def camera(context: CommandContext, /, faults: Sequence[Injector], broadcast_port: int, **given: Any) -> None:
    """Simulate one camera until Ctrl-C."""

    async def work() -> None:
        simulated = SimulatedCamera(**given, other_accounts=_EXAMPLE_ACCOUNT, faults=inject(faults, FaultInjection()))
        responder = DiscoveryResponder([simulated], port=broadcast_port)
        async with contextlib.AsyncExitStack() as stack:
            with _explain_listen_errors():
                await stack.enter_async_context(_run_server(simulated))
                await stack.enter_async_context(_run_server(responder))
            shown = {name: given[name] for name in ("sn", "model", "app_id", "secret_key", "activation_number")}
            document = {"address": simulated.address, "broadcast_port": broadcast_port, **shown}
            await _run_until_stopped(context, document, TrafficGenerator([simulated]))

    run_command(context, work())


@simulate.command(cls=FaultCommand)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes the port of the last run, or a free one.")
@_app_id
@_secret_key
@click.option("--shop-id", default=SHOP_ID, show_default=True)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_FOLDER / CA_FILE_NAME,
    show_default=True,
    help="The certificate that a client needs to trust the cloud; the key is kept beside it.",
)
@_faults
@click.pass_obj
def cloud(
    context: CommandContext,
    host: str,
    port: int,
    app_id: str,
    secret_key: str,
    shop_id: str,
    ca_file: Path,
    faults: Sequence[Injector],
) -> None:
    """Simulate the cloud until Ctrl-C.

    It keeps its certificate authority, its port and what it knows for the next run.
    """
    ca_path = ca_file.absolute()

    async def work() -> None:
        authority = simulator_files.load_authority(ca_path)
        memory = simulator_files.load_memory(ca_path.parent)

        def create(ports: Mapping[str, int]) -> contextlib.AbstractAsyncContextManager[SimulatedCloud]:
            made = SimulatedCloud(
                host=host,
                port=port or ports.get("cloud", 0),
                accounts={app_id: secret_key},
                shops={shop_id: f"1{shop_id:0>11}"},
                faults=inject(faults, FaultInjection()),
                authority=authority,
            )
            memory.restore(made.state)
            return _run_server(made)

        async with contextlib.AsyncExitStack() as stack:
            simulated = await _start(stack, create, simulator_files.load_ports(ca_path.parent))
            simulator_files.save_ports(ca_path.parent, {"cloud": simulated.port})
            document = {
                "base_url": simulated.base_url,
                "ca_file": str(ca_path),
                "app_id": app_id,
                "secret_key": secret_key,
                "shop_id": shop_id,
            }
            with _keep_memory(ca_path.parent, memory, simulated) as save:
                await _run_until_stopped(context, document, TrafficGenerator([], simulated), save=save)

    run_command(context, work())


@simulate.command(cls=FaultCommand)
@click.option("--cameras", "count", default=3, show_default=True, type=click.IntRange(1, MAX_CAMERAS))
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=_FOLDER,
    show_default=True,
    help="Where the settings and the state of the gateway are kept.",
)
@fault_option("--cloud-fault", "cloud_faults", message("Inject a fault into the cloud."))
@fault_option("--fault", "faults", message("Inject a fault into every camera, as slow:seconds=3,times=2; repeatable."))
@click.pass_obj
def store(
    context: CommandContext, count: int, directory: Path, cloud_faults: Sequence[Injector], faults: Sequence[Injector]
) -> None:
    """Simulate a whole store until Ctrl-C, with a settings file for a gateway in it.

    It keeps the settings file, the ports, the cloud's certificate authority and what the cloud knows for the next run.
    """
    folder = directory.absolute()

    async def work() -> None:
        authority = simulator_files.load_authority(folder / CA_FILE_NAME)
        memory = simulator_files.load_memory(folder)

        def create(ports: Mapping[str, int]) -> SimulatedStore:
            return SimulatedStore(
                cameras=count,
                authority=authority,
                memory=memory,
                cloud_port=ports.get("cloud", 0),
                camera_port=ports.get("cameras", 0),
                broadcast_port=ports.get("broadcast", 0),
            )

        async with contextlib.AsyncExitStack() as stack:
            simulated = await _start(stack, create, simulator_files.load_ports(folder))
            ports = {
                "cloud": simulated.cloud.port, "cameras": simulated.camera_port, "broadcast": simulated.broadcast_port,
            }  # fmt: skip
            port = ports["gateway"] = _choose_gateway_port(folder)
            simulator_files.save_ports(folder, ports)
            inject(cloud_faults, simulated.cloud.faults)
            for one in simulated.cameras:
                inject(faults, one.faults)
            settings_file = folder / "gateway.toml"
            simulator_files.write_settings(settings_file, simulated.settings_toml(folder) + _own_settings(folder, port))
            command = f"{write_program()} --config {shlex.quote(str(settings_file))} run"
            messages.print(command, markup=False, soft_wrap=True)
            document = {
                "settings": str(settings_file),
                "gateway": f"http://127.0.0.1:{port}",
                "cloud": simulated.cloud.base_url,
                "cameras": {one.sn: one.address for one in simulated.cameras},
                "labels": {one.code: one.model for one in simulated.cloud.read_labels(simulated.shop_id).values()},
                "activation_numbers": simulated.activation_numbers,
                "wifi": {"ssid": WIFI_SSID, "password": WIFI_PASSWORD},
            }
            with _keep_memory(folder, memory, simulated.cloud) as save:
                traffic = TrafficGenerator(simulated.cameras, simulated.cloud)
                await _run_until_stopped(context, document, traffic, save=save)

    run_command(context, work())


@simulate.command("product-fetch")
@click.argument("url")
@_app_id
@_secret_key
@click.option("--shop-id", default=SHOP_ID, show_default=True)
@click.option("--page-size", default=100, show_default=True, type=click.IntRange(1, 1000))
@click.pass_obj
def product_fetch(
    context: CommandContext, url: str, app_id: str, secret_key: str, shop_id: str, page_size: int
) -> None:
    """Fetch a shop's products from a gateway, as the vendor's cloud does."""

    async def work() -> None:
        pages = fetch_product_pages(
            url, account=(app_id, secret_key), shop_id=shop_id, now=time.time(), page_size=page_size
        )
        products = [product async for page in pages for product in page]
        context.emit(
            {"products": products},
            lambda found: print_table(
                found["products"],
                {message("PRODUCT"): "id", message("NAME"): "name", message("PRICE"): "price"},
                empty=message("there are no products"),
            ),
        )

    run_command(context, work())


async def _start(
    stack: contextlib.AsyncExitStack,
    create: Callable[[Mapping[str, int]], contextlib.AbstractAsyncContextManager[T]],
    last_ports: Mapping[str, int],
) -> T:
    """Start a server on the ports of the last run, or on free ones if another program has one of those."""
    if last_ports:
        with contextlib.suppress(OSError):
            return await stack.enter_async_context(create(last_ports))
    with _explain_listen_errors():
        return await stack.enter_async_context(create({}))


@contextlib.asynccontextmanager
async def _run_server(server: Server) -> AsyncIterator[Server]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.contextmanager
def _explain_listen_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StateError(message("the simulated server cannot listen: {reason}", reason=exc)) from exc


@contextlib.contextmanager
def _keep_memory(folder: Path, memory: CloudMemory, simulated: SimulatedCloud) -> Iterator[Callable[[], None]]:
    """Yield what keeps what the cloud knows, if it has accepted anything since; keep it at the end, too."""
    saved = -1

    def save() -> None:
        nonlocal saved
        if saved != (count := len(simulated.accepted)):
            memory.note(simulated.state)
            simulator_files.save_memory(folder, memory)
            saved = count

    save()
    try:
        yield save
    finally:
        save()


async def _run_until_stopped(
    context: CommandContext,
    document: dict[str, Any],
    traffic: TrafficGenerator,
    *,
    save: Callable[[], None] = lambda: None,
) -> None:
    """Print a document and simulate until Ctrl-C. `save` is called every second."""
    stop = stop_signal()
    context.emit(document, print_members)
    messages.print(localize(message("Ctrl-C ends the simulation.")))
    async with traffic.running():
        while not stop.is_set():
            save()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_INTERVAL_S):
                    await stop.wait()


def _choose_gateway_port(folder: Path) -> int:
    """Return the port of the gateway in a folder: that of the last run, the usual one, or a free one.

    The usual one belongs to the simulator's own folder: gateways in several stores run at the same time.
    """
    known = simulator_files.load_ports(folder).get("gateway", 0)
    usual = ServerSettings().port if folder == _FOLDER.absolute() else 0
    return known or usual or find_free_port()


def _own_settings(folder: Path, port: int) -> str:
    """Return the settings of the gateway itself: its state is kept in the folder, the cloud reaches it on loopback."""
    storage = f"\n[storage]\ndirectory = {json.dumps(str(folder / 'state'))}\n"
    server = f"\n[server]\nport = {port}\n"
    return server + storage + f'\n[hooks]\npublic_url = "http://127.0.0.1:{port}"\n'
