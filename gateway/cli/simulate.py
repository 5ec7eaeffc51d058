"""Commands that simulate cameras and the cloud, for integrators who have no hardware."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from gateway.cli.messages import messages
from gateway.cli.run import stop_signal
from gateway.cli.session import Session, finish
from gateway.cli.tables import members
from gateway.settings import ServerSettings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.discovery import DiscoveryResponder
from gateway.simulator.faults import FaultInjection, FaultKind
from gateway.simulator.store import MAX_CAMERAS, WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from gateway.simulator.traffic import TrafficGenerator

_SWITCHES = tuple(known.name for known in dataclasses.fields(FaultInjection) if known.name != "queue")
_NUMBERS: dict[str, Callable[[str], object]] = {
    "path": str, "times": int, "seconds": float, "code": int, "status": int, "retry_after_s": int,
}  # fmt: skip


class FaultOption(click.ParamType[Callable[[FaultInjection], None]]):
    """A fault as `KIND[:name=value,…]`, or a switch as `NAME[:value]`."""

    name = "fault"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Callable[[FaultInjection], None]:
        """Return what sets the fault."""
        kind, _, text = str(value).partition(":")
        try:
            if kind in _SWITCHES:
                return lambda faults: setattr(faults, kind, _switch(kind, text))
            known: FaultKind | None = next((one for one in get_args(FaultKind) if one == kind), None)
            if known is None:
                raise ValueError(f"is none of {', '.join((*get_args(FaultKind), *_SWITCHES))}")
            pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
            given: dict[str, Any] = {name: _NUMBERS[name](one) for name, one in pairs.items()}
            FaultInjection().add(known, **given)
            return lambda faults: faults.add(known, **given)
        except (ValueError, KeyError) as exc:
            self.fail(f"{value!r}: {exc}", param, ctx)


_fault = click.option(
    "--fault",
    "faults",
    multiple=True,
    type=FaultOption(),
    help="Misbehave: slow:seconds=3,times=2 or refuse:code=5,path=config/setZoom or close_after_answer; repeatable.",
)


@click.group()
def simulate() -> None:
    """Simulated cameras and cloud: camera, cloud, store."""


@simulate.command()
@click.option("--sn", default="FS101D8BS00106", show_default=True)
@click.option("--model", type=click.Choice(["FM010", "FM020"]), default="FM020", show_default=True)
@click.option("--mac", default="04:12:24:E3:45:12", show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address it answers at.")
@click.option("--port", default=0, help="Its HTTPS port; 0 takes a free one.")
@click.option("--broadcast-port", default=10001, show_default=True, help="Where it hears discovery.")
@click.option("--app-id", default="JO83UNV983U9OR", show_default=True)
@click.option("--secret-key", default="demo-secret", show_default=True)
@click.option("--activation-number", default="12345678", show_default=True)
@click.option("--activated", is_flag=True, help="Already activated by that app_id.")
@_fault
@click.pass_obj
def camera(
    session: Session, /, faults: tuple[Callable[[FaultInjection], None], ...], broadcast_port: int, **given: Any
) -> None:
    """Simulate one camera until Ctrl-C."""

    async def work() -> None:
        simulated = SimulatedCamera(**given, faults=_set(faults))
        responder = DiscoveryResponder([simulated], port=broadcast_port)
        async with contextlib.AsyncExitStack() as stack:
            await simulated.start()
            stack.push_async_callback(simulated.stop)
            await responder.start()
            stack.push_async_callback(responder.stop)
            shown = {name: given[name] for name in ("sn", "model", "app_id", "secret_key", "activation_number")}
            document = {"address": simulated.address, "broadcast_port": broadcast_port, **shown}
            await _until_stopped(session, document, TrafficGenerator([simulated]))

    finish(session, work())


@simulate.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one.")
@click.option("--app-id", default="JO83UNV983U9OR", show_default=True)
@click.option("--secret-key", default="demo-secret", show_default=True)
@click.option("--shop-id", default="10096", show_default=True)
@click.option("--ca-file", type=click.Path(path_type=Path), default=Path("simulated-cloud-ca.pem"), show_default=True)
@_fault
@click.pass_obj
def cloud(
    session: Session,
    host: str,
    port: int,
    app_id: str,
    secret_key: str,
    shop_id: str,
    ca_file: Path,
    faults: tuple[Callable[[FaultInjection], None], ...],
) -> None:
    """Simulate the cloud until Ctrl-C; its trust root is written to a file."""

    async def work() -> None:
        simulated = SimulatedCloud(
            host=host,
            port=port,
            accounts={app_id: secret_key},
            shops={shop_id: shop_id.rjust(12, "1")},
            faults=_set(faults),
        )
        await simulated.start()
        try:
            _write(ca_file, simulated.ca_pem)
            shown = {"base_url": simulated.base_url, "ca_file": str(ca_file)}
            account = {"app_id": app_id, "secret_key": secret_key, "shop_id": shop_id}
            await _until_stopped(session, shown | account, TrafficGenerator([], simulated))
        finally:
            await simulated.stop()

    finish(session, work())


@simulate.command()
@click.option("--cameras", "count", default=3, show_default=True, type=click.IntRange(1, MAX_CAMERAS))
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), default=Path("simulated-store"))
@click.option("--cloud-fault", "cloud_faults", multiple=True, type=FaultOption(), help="As --fault, for the cloud.")
@_fault
@click.pass_obj
def store(
    session: Session,
    count: int,
    directory: Path,
    cloud_faults: tuple[Callable[[FaultInjection], None], ...],
    faults: tuple[Callable[[FaultInjection], None], ...],
) -> None:
    """Simulate a whole store until Ctrl-C, with a settings file for a gateway in it."""
    directory.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with SimulatedStore(cameras=count) as simulated:
            for one in cloud_faults:
                one(simulated.cloud.faults)
            for camera_faults in (simulated_camera.faults for simulated_camera in simulated.cameras):
                for one in faults:
                    one(camera_faults)
            file = _write(directory / "gateway.toml", simulated.settings_toml(directory) + _own(directory))
            messages.print(f"sunmi-gateway --config {file} run", markup=False)
            await _until_stopped(
                session,
                {
                    "settings": str(file),
                    "cloud": simulated.cloud.base_url,
                    "cameras": {one.sn: one.address for one in simulated.cameras},
                    "activation_numbers": simulated.activation_numbers,
                    "wifi": {"ssid": WIFI_SSID, "password": WIFI_PASSWORD},
                },
                TrafficGenerator(simulated.cameras, simulated.cloud),
            )

    finish(session, work())


async def _until_stopped(session: Session, document: dict[str, Any], happenings: TrafficGenerator) -> None:
    stop = stop_signal()
    session.emit(document, members)
    messages.print("Ctrl-C ends the simulation.")
    async with happenings.going_on():
        await stop.wait()


def _write(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file


def _own(directory: Path) -> str:
    storage = f'\n[storage]\ndirectory = "{(directory / "state").resolve()}"\n'
    return storage + f'\n[hooks]\npublic_url = "http://127.0.0.1:{ServerSettings().port}"\n'


def _set(settings: tuple[Callable[[FaultInjection], None], ...]) -> FaultInjection:
    faults = FaultInjection()
    for one in settings:
        one(faults)
    return faults


def _switch(name: str, text: str) -> float | bool:
    if name.endswith("_s"):
        return float(text)
    if text not in ("", "true", "false"):
        raise ValueError("is true or false")
    return text != "false"
