"""Commands for cameras: discovery, management, calls and provisioning."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import click

from firmware_tools.command_language import localize
from firmware_tools.language import describe_error, message
from gateway.cameras.capture import make_file_name
from gateway.cli.arguments import build_body
from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import CommandContext, fail, with_api, write_file, writing_results
from gateway.cli.encoding import print_json
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.cli.provisioning import cancel_on_interrupt, confirm_offline, follow, get_detail
from gateway.errors import NotFound
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE

_SOURCES_HELP = message("- reads it from standard input, @FILE from a file; left out, it is asked for.")
_COLUMNS = {
    message("SN"): "sn",
    message("MODEL"): "model",
    message("NAME"): "name",
    message("ADDRESS"): "address",
    message("MANAGED"): "managed",
    message("ONLINE"): "online",
    message("ACTIVATION"): "activation",
}
_NO_CAMERAS = message("no camera is known: `sunmi-gateway discover` looks for cameras on the network")
_NO_CAMERA_FOUND = message(
    "no camera was found: is it switched on, and on the same network? A new one offers a Wi-Fi network of its own"
)
_NO_NETWORKS = message("the camera sees no Wi-Fi network: it may be out of reach of the router, or need a cable")


@click.command()
@click.option("--timeout", "timeout_s", type=float, default=3.0, show_default=True, help="Seconds to listen.")
@click.option("--method", "methods", multiple=True, type=click.Choice(["broadcast", "mdns", "sweep"]))
@with_api
async def discover(context: CommandContext, api: ApiClient, timeout_s: float, methods: tuple[str, ...]) -> None:
    """Look for cameras on the network."""
    body: dict[str, Any] = {"timeout_s": timeout_s} | ({"methods": list(methods)} if methods else {})
    result = await api.post("discovery", body)

    def render(document: dict[str, Any]) -> None:
        print_table(document["cameras"], _COLUMNS, empty=_NO_CAMERA_FOUND)
        for one in document["unidentified"]:
            print_line(
                message(
                    "unidentified: {address} (sunmi-gateway cameras add SN --address {address})", address=one["address"]
                )
            )
        for name, method in document["methods"].items():
            if method["error"]:
                print_message(f"{name}: {method['error']}")

    context.emit(result, render)
    if all(method["error"] and not method["found"] for method in result["methods"].values()):
        fail(message("no method could look for cameras: the reasons are above, and `sunmi-gateway doctor` tells more"))


@click.group()
def cameras() -> None:
    """Cameras: list, show, add, access-points, wifi, activate, provision, cancel, call, capture, snapshot, stream,
    trust, forget.
    """  # noqa: D205 - one sentence, which click prints in its own lines


@cameras.command("list")
@with_api
async def list_cameras(context: CommandContext, api: ApiClient) -> None:
    """List the cameras, found and managed."""
    context.emit(await api.get("cameras"), lambda shown: print_table(shown["cameras"], _COLUMNS, empty=_NO_CAMERAS))


@cameras.command("show")
@click.argument("sn")
@with_api
async def show_camera(context: CommandContext, api: ApiClient, sn: str) -> None:
    """Show one camera."""
    context.emit(await api.get(f"cameras/{sn}"), print_members)


@cameras.command("add")
@click.argument("sn")
@click.option("--address", help="host or host:port, for a camera that was not found.")
@click.option("--certificate", metavar="SHA256", help="The one that you compared, if your other cameras have another.")
@with_api
async def add_camera(
    context: CommandContext, api: ApiClient, sn: str, address: str | None, certificate: str | None
) -> None:
    """Make a camera managed: the gateway calls it from now on, and trusts the certificate that it shows."""
    body = {"sn": sn, "address": address, "certificate_sha256": certificate}
    body = {name: value for name, value in body.items() if value}
    try:
        camera = await api.post("cameras", body)
    except ApiError as exc:
        shown = exc.document.get("certificate_sha256")
        if shown is None or certificate or not context.can_prompt:
            raise
        print_message(describe_error(exc))
        if not await context.confirm(message("It shows the certificate {shown}. Is it right?", shown=shown)):
            raise
        camera = await api.post("cameras", body | {"certificate_sha256": shown})
    context.emit(camera, print_members)


@cameras.command("access-points")
@click.argument("sn")
@with_api
async def access_points(context: CommandContext, api: ApiClient, sn: str) -> None:
    """List the Wi-Fi networks that a camera sees."""
    document = await api.get(f"cameras/{sn}/access-points")
    columns = {message("SSID"): "ssid", message("KEY MANAGEMENT"): "key_mgmt"}
    context.emit(document, lambda shown: print_table(shown["access_points"], columns, empty=_NO_NETWORKS))
    if any(not point["ssid"].strip("\0 ") for point in document["access_points"]):
        print_message(
            message("a network without a name hides it: give its name with --ssid, and --hidden to provision")
        )
    if document["left_out"]:
        print_message(
            message(
                "entries of the camera's list that cannot be read and are left out: {left_out}",
                left_out=document["left_out"],
            )
        )


@cameras.command()
@click.argument("sn")
@click.option("--ssid", help="Default: provisioning.ssid of the settings.")
@click.option("--password", help=_SOURCES_HELP)
@with_api
async def wifi(context: CommandContext, api: ApiClient, sn: str, ssid: str | None, password: str | None) -> None:
    """Set the Wi-Fi network that a camera joins."""
    body = await _read_network(context, ssid or context.settings().provisioning.ssid, password)
    if "ssid" not in body:
        raise click.UsageError(
            localize(message("--ssid is missing, and the settings name no network (provisioning.ssid)"))
        )
    context.emit(await api.call("PUT", f"cameras/{sn}/wifi", body), print_members)


@cameras.command()
@click.argument("sn")
@click.option("--activation-number", help=_SOURCES_HELP)
@click.option("--confirm-erase", is_flag=True, help="Activation deletes the camera's face groups.")
@with_api
async def activate(
    context: CommandContext, api: ApiClient, sn: str, activation_number: str | None, confirm_erase: bool
) -> None:
    """Activate a camera for this account; this deletes its face groups."""
    number = await context.read_secret(
        "--activation-number", activation_number, message("Activation number of {sn}", sn=sn)
    )
    if not number:
        raise click.UsageError(localize(message("--activation-number is missing")))
    body = {"activation_number": number, "confirm_erase": await _confirm_erase(context, confirm_erase)}
    async with cancel_on_interrupt(context, api, sn):
        camera = await api.post(f"cameras/{sn}/activation", body)
    context.emit(camera, print_members)


@cameras.command()
@click.argument("sn")
@click.option("--ssid", help="Default: provisioning.ssid of the settings.")
@click.option("--password", help=_SOURCES_HELP)
@click.option("--hidden", is_flag=True, help="The Wi-Fi network hides its name.")
@click.option("--no-wifi", is_flag=True, help="Leave the camera on its cable, whatever the settings say.")
@click.option("--activation-number", help=_SOURCES_HELP)
@click.option("--confirm-erase", is_flag=True, help="Activation deletes the camera's face groups.")
@click.option("--name", help="The camera's new name.")
@click.option(
    "--hotspot",
    metavar="XXXX",
    help="The last four digits of the MAC on the label: the gateway itself joins the camera's hotspot.",
)
@click.option("--resume", is_flag=True, help="Go on with a provisioning that was interrupted or has failed.")
@with_api
async def provision(
    context: CommandContext,
    api: ApiClient,
    /,
    sn: str,
    hidden: bool,
    no_wifi: bool,
    confirm_erase: bool,
    resume: bool,
    **given: str | None,
) -> None:
    """Provision a camera: Wi-Fi, activation and name in one go.

    Ctrl-C cancels it. If the terminal is closed, a running gateway goes on; without one, --resume does.
    """
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if hidden:
        body["hidden"] = True
    if resume:
        if body:
            raise click.UsageError(
                localize(message("--resume goes on with the values that were given before: give no others"))
            )
        await api.get(f"cameras/{sn}/provisioning")
    elif no_wifi and not body.keys().isdisjoint({"ssid", "password", "hidden"}):
        raise click.UsageError(localize(message("--no-wifi goes with neither --ssid nor --password nor --hidden")))
    else:
        ssid = body.pop("ssid", None) or ("" if no_wifi else context.settings().provisioning.ssid)
        body |= await _read_network(context, ssid, body.pop("password", None))
        body |= await _read_activation_number(context, api, sn, body.pop("activation_number", None))
    if "activation_number" in body:
        body["confirm_erase"] = await _confirm_erase(context, confirm_erase)
    if "hotspot" in body:
        body["confirm_offline"] = await confirm_offline(context, api)
    async with cancel_on_interrupt(context, api, sn):
        job = await follow(context, api, sn, body)
    context.emit(job, lambda document: print_line(f"{sn}: {document['state']}"))
    if job["state"] != "done":
        fail(
            message(
                "{sn}: step {step} {state}: {reason}: {detail}",
                sn=sn,
                step=job["step"],
                state=job["state"],
                reason=job["reason"],
                detail=job["detail"] or get_detail(job),
            )
        )


async def _read_network(context: CommandContext, ssid: str, password: str | None) -> dict[str, str]:
    """Return the members of a request that name a network: nothing without a name, and the password if there is one."""
    is_known = password is None and context.settings().provisioning.find_password(ssid) is not None
    if is_known or not (ssid or password):
        return {"ssid": ssid} if ssid else {}
    if password is None and not context.can_prompt:
        raise click.UsageError(
            localize(
                message(
                    "--password is missing: the Wi-Fi network {ssid} needs one; --password '' says that it has none",
                    ssid=ssid,
                )
            )
        )
    question = message("Password of the Wi-Fi network {ssid} (Enter: it has none)", ssid=ssid)
    secret = await context.read_secret("--password", password, question)
    return ({"ssid": ssid} if ssid else {}) | ({"password": secret} if secret is not None else {})


async def _read_activation_number(
    context: CommandContext, api: ApiClient, sn: str, given: str | None
) -> dict[str, str]:
    """Return the member of a request with the activation number, if the camera is to be activated.

    A person is prompted for it unless the camera is known to be activated.
    """
    if given is None:
        if not context.can_prompt:
            return {}
        with contextlib.suppress(ApiError):
            if (await api.get(f"cameras/{sn}"))["activation"] in ("activated", "other_owner"):
                return {}
    question = message("Activation number of {sn} (Enter: do not activate)", sn=sn)
    number = await context.read_secret("--activation-number", given, question)
    return {"activation_number": number} if number else {}


@cameras.command()
@click.argument("sn")
@with_api
async def cancel(context: CommandContext, api: ApiClient, sn: str) -> None:
    """Cancel the provisioning of a camera, also one that was interrupted."""
    job = await api.call("DELETE", f"cameras/{sn}/provisioning")
    context.emit(job, lambda document: print_line(f"{sn}: {document['detail']}"))


@cameras.command()
@click.argument("sn")
@click.argument("endpoint", metavar="TYPE/ACTION")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@with_api
async def call(context: CommandContext, api: ApiClient, sn: str, endpoint: str, arguments: tuple[str, ...]) -> None:
    """Call any endpoint of a managed camera, such as config/setZoom zoom=200."""
    try:
        known = CATALOGUE.get("camera", endpoint)
    except NotFound as exc:
        raise click.UsageError(localize(message("{reason} (sunmi-gateway catalogue)", reason=exc))) from exc
    body = build_body(known, arguments)
    context.emit(await api.post(f"cameras/{sn}/openapi/{known.path}", body), print_json)


@cameras.command()
@click.argument("sn")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: MODEL-VERSION.json."
)
@with_api
async def capture(context: CommandContext, api: ApiClient, sn: str, output: Path | None) -> None:
    """Record, redacted, how a camera responds to every read and how it announces itself."""
    print_message(message("reading everything from {sn}; this takes minutes if the camera is slow", sn=sn))
    document = await api.post(f"cameras/{sn}/capture", {})
    if context.json:
        context.emit(document, print_json)
        return
    file = output or Path(make_file_name(document))
    write_file(file, json_text.dumps(document, indent=2))
    print_line(str(file))


@cameras.command()
@click.argument("sn")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@with_api
async def snapshot(context: CommandContext, api: ApiClient, sn: str, file: Path) -> None:
    """Take a picture and write it to a file, as JPEG; - is standard output."""
    jpeg = await api.get_bytes(f"cameras/{sn}/snapshot")
    if str(file) == "-":
        with writing_results():
            click.echo(jpeg, nl=False)
        return
    try:
        await asyncio.to_thread(file.write_bytes, jpeg)
    except OSError as exc:
        fail(message("{file} cannot be written: {reason}", file=file, reason=exc))
    context.emit({"sn": sn, "file": str(file), "bytes": len(jpeg)}, lambda shown: print_line(shown["file"]))


@cameras.command()
@click.argument("sn")
@with_api
async def stream(context: CommandContext, api: ApiClient, sn: str) -> None:
    """Show how the live picture of a camera is, and at which address a recorder finds it."""
    context.emit(await api.get(f"cameras/{sn}/stream"), print_members)


@cameras.command()
@click.argument("sn")
@click.option("--certificate", required=True, metavar="SHA256", help="The one that you saw.")
@with_api
async def trust(context: CommandContext, api: ApiClient, sn: str, certificate: str) -> None:
    """Trust the certificate that a camera shows now."""
    context.emit(await api.post(f"cameras/{sn}/trust", {"certificate_sha256": certificate}), print_members)


@cameras.command()
@click.argument("sn")
@with_api
async def forget(context: CommandContext, api: ApiClient, sn: str) -> None:
    """Forget a camera and its certificate."""
    await api.call("DELETE", f"cameras/{sn}")
    context.emit({"sn": sn, "forgotten": True}, lambda _: print_line(message("{sn}: forgotten", sn=sn)))


async def _confirm_erase(context: CommandContext, given: bool) -> bool:
    """Return True if the face groups may be deleted. Fails if they may not, or if nobody can be asked."""
    if not given and not context.can_prompt:
        fail(message("activation deletes the camera's face groups: give --confirm-erase if that is right"))
    if not given and not await context.confirm(message("Activation deletes the camera's face groups. Go on?")):
        fail(message("nothing was activated: the camera's face groups would be deleted"))
    return True
