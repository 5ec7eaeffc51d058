"""Commands for cameras: finding, managing, calling them, and putting them to work."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from gateway.cameras.capture import file_name
from gateway.cli.arguments import vendor_body
from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.session import Session, fail, speaks, write_file
from gateway.cli.tables import members, pretty, show, table
from gateway.errors import NotFound
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE

_COLUMNS = {
    "SN": "sn",
    "MODEL": "model",
    "NAME": "name",
    "ADDRESS": "address",
    "MANAGED": "managed",
    "ONLINE": "online",
    "ACTIVATION": "activation",
}


@click.command()
@click.option("--timeout", "timeout_s", type=float, default=3.0, show_default=True, help="Seconds to listen.")
@click.option("--method", "methods", multiple=True, type=click.Choice(["broadcast", "mdns", "sweep"]))
@speaks
async def discover(session: Session, api: Api, timeout_s: float, methods: tuple[str, ...]) -> None:
    """Look for cameras on the network."""
    body: dict[str, Any] = {"timeout_s": timeout_s} | ({"methods": list(methods)} if methods else {})
    result = await api.post("discovery", body)

    def render(document: dict[str, Any]) -> None:
        table(document["cameras"], _COLUMNS)
        for one in document["unidentified"]:
            show(f"unidentified: {one['address']} (sunmi-gateway cameras add SN --address {one['address']})")
        for name, method in document["methods"].items():
            if method["error"]:
                messages.print(f"{name}: {method['error']}", markup=False)

    session.emit(result, render)


@click.group()
def cameras() -> None:
    """Cameras: list, show, add, access-points, wifi, activate, provision, call, capture, trust, forget."""


@cameras.command("list")
@speaks
async def list_cameras(session: Session, api: Api) -> None:
    """List the cameras, found and managed."""
    session.emit(await api.get("cameras"), lambda document: table(document["cameras"], _COLUMNS))


@cameras.command("show")
@click.argument("sn")
@speaks
async def show_camera(session: Session, api: Api, sn: str) -> None:
    """Show one camera."""
    session.emit(await api.get(f"cameras/{sn}"), members)


@cameras.command("add")
@click.argument("sn")
@click.option("--address", help="host or host:port, for a camera that was not found.")
@speaks
async def add_camera(session: Session, api: Api, sn: str, address: str | None) -> None:
    """Make a camera managed: this one is ours."""
    body = {"sn": sn} | ({"address": address} if address else {})
    session.emit(await api.post("cameras", body), members)


@cameras.command("access-points")
@click.argument("sn")
@speaks
async def access_points(session: Session, api: Api, sn: str) -> None:
    """List the Wi-Fi networks that a camera sees."""
    document = await api.get(f"cameras/{sn}/access-points")
    columns = {"SSID": "ssid", "KEY MANAGEMENT": "key_mgmt"}
    session.emit(document, lambda shown: table(shown["access_points"], columns))


@cameras.command()
@click.argument("sn")
@click.option("--ssid", required=True)
@click.option("--password", default="", help="Leave out for an open network.")
@speaks
async def wifi(session: Session, api: Api, sn: str, ssid: str, password: str) -> None:
    """Tell a camera the Wi-Fi network to join."""
    body = {"ssid": ssid, "password": password}
    session.emit(await api.call("PUT", f"cameras/{sn}/wifi", body), members)


@cameras.command()
@click.argument("sn")
@click.option("--activation-number", required=True)
@click.option("--confirm-erase", is_flag=True, help="Activation deletes the camera's face groups.")
@speaks
async def activate(session: Session, api: Api, sn: str, activation_number: str, confirm_erase: bool) -> None:
    """Activate a camera for this account; this deletes its face groups."""
    body = {"activation_number": activation_number, "confirm_erase": _confirmed(session, confirm_erase)}
    session.emit(await api.post(f"cameras/{sn}/activation", body), members)


@cameras.command()
@click.argument("sn")
@click.option("--ssid")
@click.option("--password")
@click.option("--activation-number")
@click.option("--confirm-erase", is_flag=True, help="Activation deletes the camera's face groups.")
@click.option("--name", help="The camera's new name.")
@speaks
async def provision(session: Session, api: Api, /, sn: str, confirm_erase: bool, **given: str | None) -> None:
    """Put a camera to work: Wi-Fi, activation and name in one go."""
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "activation_number" in body:
        body["confirm_erase"] = _confirmed(session, confirm_erase)
    path = f"cameras/{sn}/provisioning"
    job = await api.post(path, body)
    shown: set[tuple[str, str]] = set()
    while job["state"] in ("running", "waiting"):
        if job["state"] == "waiting":
            await _let_person_act(session, api, path, job)
            job = await api.post(path, {})
        else:
            _show_progress(job, shown)
        await asyncio.sleep(0.2)
        job = await api.get(path)
    _show_progress(job, shown)
    session.emit(job, lambda document: show(f"{sn}: {document['state']}"))
    if job["state"] != "done":
        fail(f"{sn}: step {job['step']} {job['state']}: {job['reason']}: {_detail(job)}")


async def _let_person_act(session: Session, api: Api, path: str, job: dict[str, Any]) -> None:
    """Ask the person to change the laptop's network; where nobody may be asked, end the job and say at which step."""
    try:
        await asyncio.to_thread(session.ask, f"step {job['step']}: {job['reason']}: {_detail(job)}")
    except SystemExit:
        await api.call("DELETE", path)
        raise


def _show_progress(job: dict[str, Any], shown: set[tuple[str, str]]) -> None:
    for step in job["steps"]:
        mark = (step["name"], f"{step['state']} {step['detail'] or ''}".strip())
        if step["state"] != "pending" and mark not in shown:
            shown.add(mark)
            messages.print(f"{mark[0]:<10} {mark[1]}", markup=False)


def _detail(job: dict[str, Any]) -> str:
    return next((step["detail"] for step in job["steps"] if step["name"] == job["step"] and step["detail"]), "")


@cameras.command()
@click.argument("sn")
@click.argument("endpoint", metavar="TYPE/ACTION")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@speaks
async def call(session: Session, api: Api, sn: str, endpoint: str, arguments: tuple[str, ...]) -> None:
    """Call any endpoint of a managed camera, such as config/setZoom zoom=200."""
    try:
        known = CATALOGUE.get("camera", endpoint)
    except NotFound as exc:
        raise click.UsageError(f"{exc} (sunmi-gateway catalogue)") from exc
    body = vendor_body(known, arguments)
    session.emit(await api.post(f"cameras/{sn}/openapi/{known.path}", body), pretty)


@cameras.command()
@click.argument("sn")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: MODEL-VERSION.json."
)
@speaks
async def capture(session: Session, api: Api, sn: str, output: Path | None) -> None:
    """Record, redacted, what a camera answers to every read and how it announces itself."""
    messages.print(f"asking {sn} everything that it tells; this may take minutes if it is slow", markup=False)
    document = await api.post(f"cameras/{sn}/capture", {})
    if session.json:
        session.emit(document, pretty)
        return
    file = output or Path(file_name(document))
    write_file(file, json_text.dumps(document, indent=2))
    show(str(file))


@cameras.command()
@click.argument("sn")
@click.option("--certificate", required=True, metavar="SHA256", help="The one that you saw.")
@speaks
async def trust(session: Session, api: Api, sn: str, certificate: str) -> None:
    """Trust the certificate that a camera shows now."""
    session.emit(await api.post(f"cameras/{sn}/trust", {"certificate_sha256": certificate}), members)


@cameras.command()
@click.argument("sn")
@speaks
async def forget(session: Session, api: Api, sn: str) -> None:
    """Forget a camera and its certificate."""
    await api.call("DELETE", f"cameras/{sn}")
    session.emit({"sn": sn, "forgotten": True}, lambda _: show(f"{sn}: forgotten"))


def _confirmed(session: Session, given: bool) -> bool:
    if not given and not session.no_input and sys.stdin.isatty():
        return click.confirm("Activation deletes the camera's face groups. Go on?", err=True)
    return given
