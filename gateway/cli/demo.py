"""The demo: a whole store simulated on loopback, and a gateway that puts a new camera to work in it, step by step."""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import click

from gateway.api.local_socket import socket_session
from gateway.api.server import serving
from gateway.app import Gateway
from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.run import port_of, stop_signal
from gateway.cli.session import Session, finish
from gateway.errors import GatewayError
from gateway.settings import load_settings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.ports import find_free_port
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from gateway.simulator.traffic import TrafficGenerator

_ORDER: Final = {
    "order_no": "CN0000938",
    "order_type": 1,
    "purchase_amount": "12.80",
    "product_list": [{"name": "可口可乐/罐装", "seq_num": "cola58476", "quantity": 4, "present_price": "3.20"}],
}


_EXPECTED: Final = ["face.seen", "face.seen", "motion.detected"]
"""What a till hears: the face by the camera and by the cloud, then what moved."""
_PATIENCE_S: Final = 15.0


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
            # The simulated cloud has to be told where callbacks go before anything listens there.
            port = find_free_port(["127.0.0.1"])
            server = f'\n[server]\nhost = "127.0.0.1"\nport = {port}\n'
            hooks = f'\n[hooks]\npublic_url = "http://127.0.0.1:{port}"\n'
            storage = f'\n[storage]\ndirectory = "{directory}/state"\n'
            settings_file.write_text(store.settings_toml(Path(directory)) + server + hooks + storage, encoding="utf-8")
            settings_file.chmod(0o600)
            gateway = await Gateway.open(load_settings(settings_file))
            try:
                async with serving(gateway) as urls:
                    await gateway.start(port=port_of(urls[0]), https_port=0)
                    summary = await _walk(gateway, store, urls[0])
                    summary["seconds"] = round(time.monotonic() - began, 1)
                    session.emit(summary, lambda shown: click.echo(_sentence(shown)))
                    if not once:
                        await _stay(gateway, store, urls[0], settings_file)
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
        messages.rule("5  Events: somebody comes in, something moves, and a till hears of it")
        events = await _watch(api, store, store.cameras[0], fresh)
    return {
        "discovered": len(found["cameras"]),
        "provisioned": fresh.sn,
        "state": job["state"],
        "name": name["data"]["name"],
        "zoom": lens["data"]["zoom"],
        "order": _ORDER["order_no"],
        "order_code": answer["code"],
        "events": [event["type"] for event in events],
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


async def _watch(
    api: Api, store: SimulatedStore, door: SimulatedCamera, fresh: SimulatedCamera
) -> list[dict[str, Any]]:
    """Read the stream as a till does, while a face is seen at the door and something moves before the new camera."""
    await api.post("cameras", {"sn": door.sn})
    events: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while {one["state"] for one in (await api.get("hooks"))["hooks"]} != {"subscribed"}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            now = (await api.get("events?after=0&limit=1000"))["next"]
            traffic = TrafficGenerator([door, fresh], store.cloud)
            await traffic.show_face(door)
            await traffic.show_motion(fresh)
            query = f"events?types=face.seen,motion.detected&after={now}"
            async with contextlib.aclosing(api.stream(query)) as stream:
                async for _, event in stream:
                    events.append(event)
                    messages.print(_told(event), markup=False)
                    if len(events) == len(_EXPECTED):
                        break
    except TimeoutError as exc:
        raise DemoError(f"the demo's till heard of {len(events)} events within {_PATIENCE_S:.0f} s") from exc
    if [event["type"] for event in events] != _EXPECTED:
        raise DemoError(f"the demo's till heard of other events than happened: {events}")
    return events


def _told(event: dict[str, Any]) -> str:
    data = event["data"]
    what = f"{data['gender']}, {data['age_range']}, {data['group_type']}" if "gender" in data else data["motion_type"]
    kin = " (likely the same face)" if "related_to" in data else ""
    return f"{event['type']} by the {event['source']}, camera {event['camera']}: {what}{kin}"


async def _stay(gateway: Gateway, store: SimulatedStore, url: str, settings_file: Path) -> None:
    token = await gateway.tokens.create("demo", "admin")
    stop = stop_signal()
    messages.rule("Now yours")
    messages.print(f"curl -H 'Authorization: Bearer {token}' {url}api/v1/cameras", soft_wrap=True)
    messages.print(f"{url}docs lists every call; commands:", soft_wrap=True)
    messages.print(f".venv/bin/sunmi-gateway --config {settings_file} cameras list", soft_wrap=True)
    messages.print(f".venv/bin/sunmi-gateway --config {settings_file} events tail", soft_wrap=True)
    messages.print("Ctrl-C ends the demo.")
    async with TrafficGenerator(store.cameras, store.cloud).running():
        await stop.wait()


def _sentence(summary: dict[str, Any]) -> str:
    return (
        f"demo done in {summary['seconds']} s: {summary['discovered']} cameras discovered, {summary['provisioned']} "
        f"on Wi-Fi, activated and zoomed to {summary['zoom']}, order {summary['order']} relayed, "
        f"{len(summary['events'])} events heard"
    )
