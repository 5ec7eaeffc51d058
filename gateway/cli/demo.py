"""The demo: a whole store simulated on loopback, and a gateway that puts a new camera to work in it, step by step."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import click

from gateway.api.server import serving, socket_session
from gateway.app import Gateway
from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.run import stop_signal
from gateway.cli.session import Session, finish
from gateway.errors import GatewayError
from gateway.settings import load_settings
from gateway.simulator.fleet import WIFI_PASSWORD, WIFI_SSID, SimulatedStore

_ORDER: Final = {
    "order_no": "CN0000938",
    "order_type": 1,
    "purchase_amount": "12.80",
    "product_list": [{"name": "可口可乐/罐装", "seq_num": "cola58476", "quantity": 4, "present_price": "3.20"}],
}


class DemoError(GatewayError):
    """A step of the demo did not do what it should."""


@click.command()
@click.option("--once", is_flag=True, help="End after the run, with a one-line summary.")
@click.pass_obj
def demo(session: Session, once: bool) -> None:
    """Show the whole way of a new camera, with no hardware: everything is simulated on loopback."""
    finish(session, _demo(session, once))


async def _demo(session: Session, once: bool) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sunmi-demo-") as directory:
        async with SimulatedStore(cameras=3) as store:
            settings_file = Path(directory) / "gateway.toml"
            server = '\n[server]\nhost = "127.0.0.1"\nport = 0\n'
            storage = f'\n[storage]\ndirectory = "{directory}/state"\n'
            settings_file.write_text(store.settings_toml(Path(directory)) + server + storage, encoding="utf-8")
            settings_file.chmod(0o600)
            gateway = await Gateway.open(load_settings(settings_file))
            try:
                async with serving(gateway) as urls:
                    await gateway.start(port=_port(urls[0]), https_port=0)
                    summary = await _walk(gateway, store, urls[0])
                    summary["seconds"] = round(time.monotonic() - began, 1)
                    session.emit(summary, lambda shown: click.echo(_sentence(shown)))
                    if not once:
                        await _stay(gateway, urls[0], settings_file)
            finally:
                await gateway.close()


async def _walk(gateway: Gateway, store: SimulatedStore, url: str) -> dict[str, Any]:
    """Go the whole way through the REST API, as an installer and a till would."""
    messages.rule("A simulated store")
    messages.print(f"{len(store.cameras)} cameras and a cloud, all on loopback. The gateway: [bold]{url}[/bold]")
    async with socket_session(gateway.socket) as http:
        api = Api(http, gateway.directory.path)
        messages.rule("1  Discover")
        found = await api.post("discovery", {"timeout_s": 1.5})
        for camera in found["cameras"]:
            messages.print(f"found {camera['sn']} {camera['model']} at {camera['address']} ({camera['activation']})")
        fresh = next(camera for camera in store.cameras if not camera.state.activated)
        messages.rule(f"2  Put {fresh.sn} to work: Wi-Fi without authentication, then activation")
        job = await _provision(api, store, fresh.sn)
        messages.rule("3  Change its configuration")
        await api.post(f"cameras/{fresh.sn}/openapi/config/setZoom", {"zoom": 200})
        lens = await api.post(f"cameras/{fresh.sn}/openapi/config/getZoomFocusConf", {})
        messages.print(f"zoom is now {lens['data']['zoom']} of {lens['data']['max_zoom']}")
        messages.rule("4  Relay an order to the cloud")
        answer = await api.post("cloud/order/update", {"order_list": [_ORDER]})
        messages.print(f"order {_ORDER['order_no']} relayed, the cloud answered {answer}", markup=False)
        name = await api.post(f"cameras/{fresh.sn}/openapi/config/getName", {})
    return {
        "discovered": len(found["cameras"]),
        "provisioned": fresh.sn,
        "state": job["state"],
        "name": name["data"]["name"],
        "zoom": lens["data"]["zoom"],
        "order": _ORDER["order_no"],
        "order_code": answer["code"],
    }


async def _provision(api: Api, store: SimulatedStore, sn: str) -> dict[str, Any]:
    job: dict[str, Any] = await api.post(
        f"cameras/{sn}/provisioning",
        {
            "ssid": WIFI_SSID,
            "password": WIFI_PASSWORD,
            "activation_number": store.activation_numbers[sn],
            "confirm_erase": True,
            "name": "Entrance",
        },
    )
    shown: set[tuple[str, str]] = set()
    while True:
        for step in job["steps"]:
            mark = (step["name"], step["state"])
            if step["state"] != "pending" and mark not in shown:
                shown.add(mark)
                messages.print(f"{step['name']:<9} {step['state']} {step['detail'] or ''}".rstrip(), markup=False)
        if job["state"] != "running":
            break
        await asyncio.sleep(0.1)
        job = await api.get(f"cameras/{sn}/provisioning")
    if job["state"] != "done":
        raise DemoError(f"the demo failed at step {job['step']}: {job['reason']}")
    return job


async def _stay(gateway: Gateway, url: str, settings_file: Path) -> None:
    token = await gateway.tokens.create("demo", "admin")
    stop = stop_signal()
    messages.rule("Now yours")
    messages.print(f"curl -H 'Authorization: Bearer {token}' {url}api/v1/cameras", soft_wrap=True)
    messages.print(f"{url}docs lists every call; commands:", soft_wrap=True)
    messages.print(f".venv/bin/sunmi-gateway --config {settings_file} cameras list", soft_wrap=True)
    messages.print("Ctrl-C ends the demo.")
    await stop.wait()


def _port(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


def _sentence(summary: dict[str, Any]) -> str:
    return (
        f"demo done in {summary['seconds']} s: {summary['discovered']} cameras discovered, {summary['provisioned']} "
        f"on Wi-Fi, activated and zoomed to {summary['zoom']}, order {summary['order']} relayed"
    )
