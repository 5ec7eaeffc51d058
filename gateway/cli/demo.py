"""The demo: a store simulated on loopback, and a gateway that puts a new camera to work in it, step by step."""

import asyncio
import contextlib
import shlex
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from gateway.api.local_socket import socket_session
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, run_command
from gateway.cli.fault_option import control_faults
from gateway.cli.interrupt import stop_signal
from gateway.cli.output import messages
from gateway.cli.program import write_program
from gateway.cli.run import port_of
from gateway.cli.simulator_files import write_settings
from gateway.console.site import add_console
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
_EXPECTED_EVENTS: Final = ["face.seen", "face.seen", "motion.detected"]
"""The events that the till receives: a face, from the camera and from the cloud, then a motion."""
_EVENTS_TIMEOUT_S: Final = 15.0


class DemoError(GatewayError):
    """A step of the demo did not do what it should."""


@click.command()
@click.option("--once", is_flag=True, help="End after the run, with a one-line summary.")
@click.pass_obj
def demo(context: CommandContext, once: bool) -> None:
    """Show how a new camera is put to work, without hardware: everything is simulated on loopback."""
    run_command(context, _run_demo(context, once))


async def _run_demo(context: CommandContext, once: bool) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sunmi-demo-") as directory:
        async with SimulatedStore(cameras=3) as store:
            settings_file = Path(directory) / "gateway.toml"
            # The settings name the port for callbacks of the cloud before the gateway listens there.
            port = find_free_port()
            server = f'\n[server]\nhost = "127.0.0.1"\nport = {port}\n'
            hooks = f'\n[hooks]\npublic_url = "http://127.0.0.1:{port}"\n'
            storage = f'\n[storage]\ndirectory = "{directory}/state"\n'
            write_settings(settings_file, store.settings_toml(Path(directory)) + server + hooks + storage)
            gateway = await Gateway.open(load_settings(settings_file), settings_file=settings_file)
            try:
                async with serve(
                    gateway, add_pages=partial(add_console, simulated_store=control_faults(store))
                ) as urls:
                    await gateway.start(port=port_of(urls[0]), https_port=0)
                    summary = await _run_steps(gateway, store, urls[0])
                    summary["seconds"] = round(time.monotonic() - began, 1)
                    context.emit(summary, lambda shown: click.echo(_summarise(shown)))
                    if not once:
                        await _run_until_stopped(gateway, store, urls[0], settings_file)
            finally:
                await gateway.close()


async def _run_steps(gateway: Gateway, store: SimulatedStore, url: str) -> dict[str, Any]:
    """Run every step through the REST API, as an installer and a till would."""
    messages.rule(localize(message("A simulated store")))
    text = message(
        "{count} cameras and a cloud, all on loopback. The gateway: [bold]{url}[/bold]",
        count=len(store.cameras),
        url=url,
    )
    messages.print(localize(text))
    async with socket_session(gateway.socket) as http:
        api = ApiClient(http, gateway.directory.path)
        messages.rule(localize(message("1  Discover")))
        found = await api.post("discovery", {"timeout_s": 1.5})
        for camera in found["cameras"]:
            text = message(
                "found {sn} {model} at {address} ({activation})",
                sn=camera["sn"],
                model=camera["model"],
                address=camera["address"],
                activation=camera["activation"],
            )
            messages.print(localize(text))
        new_camera = next(camera for camera in store.cameras if not camera.state.activated)
        messages.rule(localize(message("2  Put {sn} to work: Wi-Fi, then activation", sn=new_camera.sn)))
        job = await _provision(api, store, new_camera.sn)
        messages.rule(localize(message("3  Change its configuration")))
        await api.post(f"cameras/{new_camera.sn}/openapi/config/setZoom", {"zoom": 200})
        lens = await api.post(f"cameras/{new_camera.sn}/openapi/config/getZoomFocusConf", {})
        data = lens["data"]
        text = message("zoom is now {zoom} of {max_zoom}", zoom=data["zoom"], max_zoom=data["max_zoom"])
        messages.print(localize(text))
        messages.rule(localize(message("4  Relay an order to the cloud")))
        response = await api.post("cloud/order/update", {"order_list": [_ORDER]})
        text = message(
            "order {order} relayed, the cloud responded {response}", order=_ORDER["order_no"], response=response
        )
        messages.print(localize(text), markup=False)
        name = await api.post(f"cameras/{new_camera.sn}/openapi/config/getName", {})
        messages.rule(localize(message("5  Events: a face, then a motion, and a till that receives them")))
        events = await _watch_events(api, store, store.cameras[0], new_camera)
    return {
        "discovered": len(found["cameras"]),
        "provisioned": new_camera.sn,
        "state": job["state"],
        "name": name["data"]["name"],
        "zoom": lens["data"]["zoom"],
        "order": _ORDER["order_no"],
        "order_code": response["code"],
        "events": [event["type"] for event in events],
    }


async def _provision(api: ApiClient, store: SimulatedStore, sn: str) -> dict[str, Any]:
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
        raise DemoError(message("the demo failed at step {step}: {reason}", step=job["step"], reason=job["reason"]))
    return job


async def _watch_events(
    api: ApiClient, store: SimulatedStore, door_camera: SimulatedCamera, new_camera: SimulatedCamera
) -> list[dict[str, Any]]:
    """Read the stream as a till does, while one camera sees a face and the new one a motion."""
    await api.post("cameras", {"sn": door_camera.sn})
    events: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(_EVENTS_TIMEOUT_S):
            while {one["state"] for one in (await api.get("hooks"))["hooks"]} != {"subscribed"}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            now = (await api.get("events?after=0&limit=1000"))["next"]
            traffic = TrafficGenerator([door_camera, new_camera], store.cloud)
            await traffic.show_face(door_camera)
            await traffic.show_motion(new_camera)
            query = f"events?types=face.seen,motion.detected&after={now}"
            async with contextlib.aclosing(api.stream(query)) as stream:
                async for _, event in stream:
                    events.append(event)
                    messages.print(_format_event(event), markup=False)
                    if len(events) == len(_EXPECTED_EVENTS):
                        break
    except TimeoutError as exc:
        raise DemoError(
            count_message(
                "the till received {count} event within {events_timeout_s:.0f} s",
                "the till received {count} events within {events_timeout_s:.0f} s",
                len(events),
                events_timeout_s=_EVENTS_TIMEOUT_S,
            )
        ) from exc
    if [event["type"] for event in events] != _EXPECTED_EVENTS:
        raise DemoError(message("the till received other events than the cameras reported: {events}", events=events))
    return events


def _format_event(event: dict[str, Any]) -> str:
    data = event["data"]
    seen = f"{data['gender']}, {data['age_range']}, {data['group_type']}" if "gender" in data else data["motion_type"]
    if "related_to" in data:
        seen = message("{seen} (likely the same face)", seen=seen)
    return localize(
        message(
            "{type} by {source}, {camera}: {seen}",
            type=event["type"],
            source=event["source"],
            camera=event["camera"],
            seen=seen,
        )
    )


async def _run_until_stopped(gateway: Gateway, store: SimulatedStore, url: str, settings_file: Path) -> None:
    token = await gateway.tokens.create("demo", "admin")
    stop = stop_signal()
    messages.rule(localize(message("Now yours")))
    code = gateway.pairing.create("demo console", ["admin"], valid_s=86400).code
    console, docs = f"{url}console/sign-in#code={code}", f"{url}docs"
    messages.print(localize(message("The console, in a browser: {url}", url=console)), soft_wrap=True)
    messages.print(f"curl -H 'Authorization: Bearer {token}' {url}api/v1/cameras", soft_wrap=True)
    messages.print(localize(message("{url} lists every call; commands:", url=docs)), soft_wrap=True)
    command = f"{write_program()} --config {shlex.quote(str(settings_file))}"
    messages.print(f"{command} cameras list", soft_wrap=True)
    messages.print(f"{command} events tail", soft_wrap=True)
    messages.print(localize(message("Ctrl-C ends the demo.")))
    async with TrafficGenerator(store.cameras, store.cloud).running():
        await stop.wait()


def _summarise(summary: dict[str, Any]) -> str:
    text = message(
        "demo done in {seconds} s: {discovered} cameras discovered, {provisioned} on Wi-Fi, activated and zoomed to "
        "{zoom}, order {order} relayed, {events} events received",
        seconds=summary["seconds"],
        discovered=summary["discovered"],
        provisioned=summary["provisioned"],
        zoom=summary["zoom"],
        order=summary["order"],
        events=len(summary["events"]),
    )
    return localize(text)
