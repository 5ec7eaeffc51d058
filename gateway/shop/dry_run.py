"""What a run would do to a camera, without doing it."""

from collections.abc import Iterator

from firmware_tools.language import join, message
from gateway.cameras.registry import Registry
from gateway.shop.plan import WifiNetwork
from gateway.shop.plan_check import find_planned
from gateway.shop.progress import CameraProgress
from gateway.shop.steps import PlanStepName


def describe_actions(progress: CameraProgress, registry: Registry, wifi: WifiNetwork | None) -> list[dict[str, str]]:
    """Return what would be done to a camera, step by step, as far as is known now."""
    return [{"step": step, "text": text} for step, text in _list_actions(progress, registry, wifi)]


def _list_actions(
    progress: CameraProgress, registry: Registry, wifi: WifiNetwork | None
) -> Iterator[tuple[PlanStepName, str]]:
    planned, record = progress.planned, find_planned(progress.planned, registry)
    if record is not None and record.activation == "other_owner":
        yield "find", message("nothing: it is activated by another account")
        return
    if record is not None and record.is_on_network:
        yield "find", message("call it at {address}", address=record.address)
    elif wifi is not None:
        yield "find", message("wait for it, or for its hotspot")
        yield "wifi", message("put it on {ssid!r}", ssid=wifi.ssid)
    else:
        yield "find", message("fail: it is not on this network, and there is no Wi-Fi to put it on")
        return
    is_activated = record is not None and record.activation == "activated"
    if not is_activated and planned.activation_number is not None:
        yield "activate", message("activate it unless it is; that erases its face groups")
    elif not is_activated:
        yield "activate", message("fail unless it is activated: the plan has no number")
    if planned.name is not None:
        yield "name", message("name it {name!r}", name=planned.name)
    if planned.settings:
        values = join(", ", [f"{name}={value}" for name, value in planned.settings.items()])
        yield "settings", message("set what differs of {values}", values=values)
    yield "cloud", message("bind it at the cloud if that does not list it, and name it there")
    yield "subscribe", message("let it report events to this gateway")
    yield "picture", message("take a picture")
    yield "event", message("wait for an event")
