"""What each step of the demonstration does: calls of the rooms below, and of the steps of a site plan."""

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from firmware_tools.language import describe_error, join, message
from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.cloud.customer_flow import CustomerFlow
from gateway.discovery.scan import ScanResult
from gateway.errors import GatewayError, VendorRefused
from gateway.events.event import Event
from gateway.events.subscription_targets import CLOUD
from gateway.events.subscriptions import Subscriptions
from gateway.protocol.vendor_events import FaceSeen, list_camera_events
from gateway.runtime.timestamps import utc_text
from gateway.shop.camera_steps import CameraSteps
from gateway.shop.cloud_binding import CloudBinding
from gateway.shop.demonstration.record import DemonstrationOutcome, Evidence
from gateway.shop.demonstration.steps import DemonstrationStepCode
from gateway.shop.door_line import find_door_line
from gateway.shop.failures import make_plan_failure
from gateway.shop.plan import PlannedCamera
from gateway.shop.plan_settings import LENS_SETTINGS, SETTING_GROUPS
from gateway.shop.progress import PlanStepFailed, StepOutcome

_MAX_NAMES: Final = 5
"""How many names of cameras are evidence: enough for a person to know the shop by."""

DemonstrationAction = Callable[[str], Awaitable[DemonstrationOutcome]]
"""Takes a step with a camera, by its serial number. Raises `PlanStepFailed` and what calls raise."""


def reports_faces(model: str) -> bool:
    """Tell whether cameras of a model report faces."""
    return FaceSeen.camera_name in list_camera_events(model)


def find_event_types(registry: Registry, sn: str) -> frozenset[str]:
    """Return of which types the event of a camera has to be: a face if its model reports any, else it may be any."""
    record = registry.find(sn)
    return frozenset({FaceSeen.type}) if record is not None and reports_faces(record.model) else frozenset()


class DemonstrationActions:
    """The actions of all steps."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        cloud: CloudBinding,
        flow: CustomerFlow,
        subscriptions: Subscriptions,
        steps: CameraSteps,
        *,
        shop: Mapping[str, str],
        scan: Callable[[], Awaitable[ScanResult]],
        find_planned: Callable[[str], PlannedCamera | None],
    ) -> None:
        """Take the steps of a site plan, and the shop's keys at the cloud.

        `scan` looks for cameras, `find_planned` returns what the site plan wants of one.
        """
        self._cameras = cameras
        self._registry = registry
        self._cloud = cloud
        self._flow = flow
        self._subscriptions = subscriptions
        self._steps = steps
        self._shop = shop
        self._scan = scan
        self._find_planned = find_planned
        self.by_code: Mapping[DemonstrationStepCode, DemonstrationAction] = {
            "shop": self._check_shop,
            "network": self._check_network,
            "bind": self._bind,
            "configure": self._configure,
            "picture": self._take_picture,
            "flow": self._read_flow,
            "hook": self._subscribe,
            "event": self._wait_event,
        }
        """What each step does."""

    def _get_planned(self, sn: str) -> PlannedCamera:
        """Return what the site plan wants of a camera; nothing if it is in none."""
        return self._find_planned(sn) or PlannedCamera(row=0, sn=sn)

    async def _check_shop(self, sn: str) -> DemonstrationOutcome:
        named = self._shop.get("sunmi_shop_no") or self._shop.get("shop_id") or ""
        if not self._cloud.is_configured:
            raise PlanStepFailed("no_cloud", message("the settings name no account of the cloud, or no shop"))
        try:
            listed = await self._cloud.list_cameras()
        except VendorRefused as exc:
            detail = message("the cloud refuses the shop {shop}: {reason}", shop=named, reason=exc.detail)
            return DemonstrationOutcome("failed", detail, (Evidence("shop", named),), "no_shop")
        names = [f"{one.name} ({serial.upper()})" for serial, one in listed.items()]
        more = [message("and {count} more", count=len(names) - _MAX_NAMES)] if len(names) > _MAX_NAMES else []
        shown = join(", ", [*names[:_MAX_NAMES], *more]) if names else message("none yet")
        evidence = (Evidence("shop", named), Evidence("shop_cameras", shown))
        ours = [one for one in self._registry.all() if one.managed and one.sn.casefold() in listed]
        if listed and not ours:
            detail = message("the cloud knows the shop {shop}, and lists no camera in it that is here", shop=named)
            return DemonstrationOutcome("warning", detail, evidence, "other_shop")
        detail = message("the cloud knows the shop {shop}; cameras in it: {count}", shop=named, count=len(listed))
        return DemonstrationOutcome("done", detail, evidence)

    async def _check_network(self, sn: str) -> DemonstrationOutcome:
        if not self._registry.get(sn).online:
            with contextlib.suppress(GatewayError):
                await self._scan()
        activation = await self._cameras.probe_activation(sn)
        if activation == "other_owner":
            raise PlanStepFailed("other_owner", message("the camera {sn} is activated by another account", sn=sn))
        if activation != "activated":
            raise PlanStepFailed("not_activated", message("the camera {sn} is not activated", sn=sn))
        await self._cameras.refresh(sn)
        record = self._registry.get(sn)
        evidence = (
            Evidence("address", record.address),
            Evidence("model", record.model),
            Evidence("firmware", record.software_version),
        )
        if not record.is_on_network:
            detail = message("the camera {sn} is reached at its own hotspot, not in the shop's network", sn=sn)
            return DemonstrationOutcome("failed", detail, evidence, "no_wifi")
        return DemonstrationOutcome("done", message("answers at {address}", address=record.address), evidence)

    async def _bind(self, sn: str) -> DemonstrationOutcome:
        outcome = await self._steps.in_turn["cloud"](sn, self._get_planned(sn))
        listed = await self._cloud.find(sn)
        evidence = () if listed is None else (Evidence("name", listed.name), Evidence("ipc_id", listed.ipc_id))
        return _take_over(outcome, evidence)

    async def _configure(self, sn: str) -> DemonstrationOutcome:
        planned = self._get_planned(sn)
        outcomes = [await self._steps.in_turn[name](sn, planned) for name in ("name", "settings")]
        lens: dict[str, int] = {}
        for group in SETTING_GROUPS:
            if LENS_SETTINGS & set(group.names):
                lens |= await self._steps.read_settings(sn, group)
        evidence = [Evidence("settings", ", ".join(f"{name}={value}" for name, value in lens.items()))]
        line = await find_door_line(self._cameras, self._registry.get(sn))
        if line is not None and line.state == "drawn":
            ends = message(
                "from {x1}, {y1} to {x2}, {y2} of {width} x {height}",
                x1=line.start_x,
                y1=line.start_y,
                x2=line.end_x,
                y2=line.end_y,
                width=line.width,
                height=line.height,
            )
            evidence.append(Evidence("door_line", ends))
        warning = next((one for one in outcomes if one.state == "warning"), None)
        if warning is not None:
            return _take_over(warning, tuple(evidence))
        if line is not None and line.state != "drawn":
            detail = message("the door line is missing: {reason}", reason=line.detail)
            return DemonstrationOutcome("warning", detail, tuple(evidence), "no_door_line")
        if all(one.state == "skipped" for one in outcomes):
            return DemonstrationOutcome("done", message("the camera says its settings"), tuple(evidence))
        return DemonstrationOutcome("done", message("is as the site plan wants it"), tuple(evidence))

    async def _take_picture(self, sn: str) -> DemonstrationOutcome:
        outcome = await self._steps.afterwards["picture"](sn, self._get_planned(sn))
        if outcome.state == "skipped":
            return DemonstrationOutcome("warning", outcome.detail, (), "no_picture")
        return _take_over(outcome)

    async def _read_flow(self, sn: str) -> DemonstrationOutcome:
        numbers: Mapping[str, Any] = await self._flow.today({}, anew=True)
        total, day = numbers.get("total"), numbers.get("date")
        evidence = [Evidence("customers", message("not counted") if total is None else str(total))]
        if day:
            evidence.append(Evidence("counted_on", str(day)))
        missing = [str(one["endpoint"]) for one in numbers["unavailable"]]
        if numbers["source"] != "cloud":
            detail = message("the cloud does not answer now; the numbers are of {time}", time=numbers["fetched_at"])
            return DemonstrationOutcome("warning", detail, tuple(evidence), "cloud_unreachable")
        if total is None or missing:
            detail = message("the cloud gives no numbers for {endpoints}", endpoints=", ".join(missing) or "total")
            return DemonstrationOutcome("warning", detail, tuple(evidence), "no_numbers")
        return DemonstrationOutcome("done", message("customers today: {count}", count=total), tuple(evidence))

    async def _subscribe(self, sn: str) -> DemonstrationOutcome:
        by_camera, failure = await self._subscribe_at_camera(sn)
        at_cloud, cloud_problem = await self._subscribe_at_cloud()
        evidence = (
            Evidence("camera_callback", by_camera or message("it does not")),
            Evidence("cloud_callback", at_cloud or cloud_problem),
        )
        if not by_camera and not at_cloud:
            assert failure is not None  # noqa: S101 - why the camera does not report
            return DemonstrationOutcome("failed", failure.detail, evidence, failure.reason)
        if failure is not None:
            return DemonstrationOutcome("warning", failure.detail, evidence, failure.reason)
        if cloud_problem and not self._is_cloud_off():
            return DemonstrationOutcome("warning", cloud_problem, evidence, "no_cloud_hook")
        return DemonstrationOutcome("done", message("events come to this gateway"), evidence)

    async def _subscribe_at_camera(self, sn: str) -> tuple[str, PlanStepFailed | None]:
        """Return the URL that the camera reports to, or why it does not."""
        try:
            outcome = await self._steps.in_turn["subscribe"](sn, self._get_planned(sn))
        except GatewayError as exc:
            return "", make_plan_failure(exc)
        if outcome.reason is not None:
            return "", PlanStepFailed(outcome.reason, outcome.detail)
        return self._describe_subscription(sn)["callback"] or "", None

    async def _subscribe_at_cloud(self) -> tuple[str, str]:
        """Return the URL that the cloud reports to, and why it does not."""
        try:
            subscribed = await self._subscriptions.add(CLOUD)
        except GatewayError as exc:
            return "", describe_error(exc)
        return subscribed["callback"] or "", ""

    def _is_cloud_off(self) -> bool:
        """Tell whether the settings give the cloud no way here; then cameras report, and that is right."""
        return bool(self._describe_subscription(CLOUD)["state"] == "off")

    def _describe_subscription(self, target: str) -> dict[str, Any]:
        return next(one for one in self._subscriptions.describe() if one["target"] == target)

    async def _wait_event(self, sn: str) -> DemonstrationOutcome:
        outcome = await self._steps.afterwards["event"](sn, self._get_planned(sn))
        event = self._steps.find_event(sn)
        if event is None:
            return _take_over(outcome)
        shown, evidence = self._describe_event(event)
        named = [value for name, value in shown.items() if value]
        if named and not set(named) & set(filter(None, self._shop.values())):
            detail = message("the event names another shop than the settings: {shop}", shop=named[0])
            return DemonstrationOutcome("warning", detail, evidence, "other_shop")
        if event.type != FaceSeen.type:
            detail = message("{type} has come; cameras of this model report no faces", type=event.type)
            return DemonstrationOutcome("done", detail, evidence)
        by_camera = event.source == "camera"
        detail = message("the camera has reported a face") if by_camera else message("the cloud has reported a face")
        return DemonstrationOutcome("done", detail, evidence)

    def _describe_event(self, event: Event) -> tuple[dict[str, str], tuple[Evidence, ...]]:
        """Return the shop that an event names, and what of it is evidence: nothing about the person."""
        data = json.loads(event.data)
        shop = {name: str(data.get(name) or "") for name in ("sunmi_shop_no", "shop_id")}
        named = next(filter(None, shop.values()), "")
        evidence = [
            Evidence("event", event.type),
            Evidence("event_time", utc_text(event.time_ms / 1000)),
            Evidence("event_id", event.id),
        ]
        return shop, (*evidence, *([Evidence("event_shop", named)] if named else []))


def _take_over(outcome: StepOutcome, evidence: tuple[Evidence, ...] = ()) -> DemonstrationOutcome:
    """Return the outcome of a plan's step as one of the demonstration."""
    state = "done" if outcome.state == "skipped" else outcome.state
    return DemonstrationOutcome(state, outcome.detail, evidence, outcome.reason)
