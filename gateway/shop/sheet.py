"""The acceptance sheet: what was set up in a shop, camera by camera, and what is left to do."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from firmware_tools.language import message
from gateway import __version__
from gateway.cameras.cameras import Cameras
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.runtime.timestamps import utc_text
from gateway.shop.door_line import SheetDoorLine, find_door_line
from gateway.shop.firmware import PlanFirmware
from gateway.shop.pictures import PlanPictures
from gateway.shop.plan_document import describe_plan
from gateway.shop.progress import CameraProgress
from gateway.shop.set_up import SiteSetUp
from gateway.shop.steps import ADVICE
from gateway.shop.verification import MAX_CONCURRENCY, PlanChange, PlanVerifier

PICTURE_PATH: Final = "/api/v1/site-plan/pictures/{sn}/{moment}"
_DOOR_LINES_TIMEOUT_S: Final = 20.0
"""How long reading all door lines may take, in seconds."""


class SheetCamera(NamedTuple):
    """One camera on the sheet."""

    progress: CameraProgress
    """What was planned, and what came of it."""
    record: CameraRecord | None
    """What is known of it; None if it was never found."""
    door_line: SheetDoorLine | None
    """The line at which it counts visitors; None for a camera that counts none."""
    changes: Sequence[PlanChange] | None
    """What has changed since the run; None if nobody has looked."""


class AcceptanceSheet(NamedTuple):
    """The sheet of a shop."""

    made_at: float
    """When it was made, in Unix seconds."""
    shop: Mapping[str, str]
    """The shop's keys at the cloud."""
    host: str
    """The host name of the gateway."""
    plan: Mapping[str, Any]
    """The plan and its run, as the REST API shows them."""
    firmware: PlanFirmware
    """Which firmware the cameras have."""
    cameras: Sequence[SheetCamera]
    """The cameras, in the order of the list."""
    pictures: PlanPictures
    """Their pictures."""

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        plan = self.plan
        return {
            "made_at": utc_text(self.made_at),
            "verified": any(one.changes is not None for one in self.cameras),
            "shop": {name: value or None for name, value in self.shop.items()},
            "gateway": {"host": self.host, "version": __version__},
            **{name: plan[name] for name in ("state", "began_at", "ended_at", "counts", "firmware")},
            "cameras": [
                self._describe_camera(camera, shown)
                for camera, shown in zip(self.cameras, plan["cameras"], strict=True)
            ],
        }

    def _describe_camera(self, camera: SheetCamera, shown: Mapping[str, Any]) -> dict[str, Any]:
        record, sn = camera.record, camera.progress.sn
        known = {} if record is None else record.describe()
        return {
            "row": shown["row"],
            "name": shown["name"] if shown["name"] is not None else (known.get("name") or None),
            "place": shown["place"],
            "sn": shown["sn"],
            "mac": known.get("mac") or shown["mac"],
            "model": known.get("model"),
            "firmware": shown["firmware"],
            "needs_card": shown["needs_card"],
            "address": shown["address"],
            "certificate_sha256": known.get("certificate_sha256"),
            "state": shown["state"],
            "steps": shown["steps"],
            "door_line": None if camera.door_line is None else camera.door_line.describe(),
            "pictures": [
                {"moment": moment, "path": PICTURE_PATH.format(sn=sn, moment=moment)}
                for moment in self.pictures.list_moments(sn)
            ],
            "to_do": list(self._list_tasks(camera)),
            "changes": None if camera.changes is None else [one._asdict() for one in camera.changes],
        }

    def _list_tasks(self, camera: SheetCamera) -> Iterator[str]:
        """Yield what is left to do at a camera."""
        steps = camera.progress.steps
        yield from dict.fromkeys(ADVICE[one.reason] for one in steps if one.reason is not None and one.ended)
        if camera.progress.state == "pending":
            yield message("Run the plan: this camera is not done yet.")
        if any(not one.is_right for one in camera.changes or ()):
            yield message("Run the plan again: something has changed since.")
        if camera.door_line is not None and camera.door_line.state != "drawn":
            yield message(
                "Draw the door line in the vendor's app, or on the page of the camera's picture in the console."
            )
        record = camera.record
        if record is not None and self.firmware.describe_camera(record.sn)["needs_card"]:
            yield message("Update the firmware to {version} with a card.", version=self.firmware.find_newest(record))


class SheetMaker:
    """Gathers sheets: from the plan, from what is known of its cameras, and from the cameras. It changes nothing."""

    def __init__(
        self,
        set_up: SiteSetUp,
        registry: Registry,
        cameras: Cameras,
        verifier: PlanVerifier,
        pictures: PlanPictures,
        *,
        shop: Mapping[str, str],
        host: Callable[[], str],
    ) -> None:
        """Take the shop's keys at the cloud, and a function that returns the host name of the gateway."""
        self._set_up = set_up
        self._registry = registry
        self._cameras = cameras
        self._verifier = verifier
        self._pictures = pictures
        self._shop = shop
        self._host = host
        self._gathering = asyncio.Lock()

    async def make(self, *, verify: bool = False, pictures: bool = False) -> AcceptanceSheet:
        """Make the sheet; with `verify`, look again at everything that was set up, perhaps with new pictures.

        Raises `NotFound` without a plan, and `Conflict` if the settings allow no pictures.
        """
        async with self._gathering:
            plan, progress, run = self._set_up.plan, list(self._set_up.progress), self._set_up.run_record
            if verify or pictures:
                changes: Sequence[list[PlanChange] | None] = await self._verifier.verify(progress, pictures=pictures)
            else:
                changes = [None] * len(progress)
            slots = asyncio.Semaphore(MAX_CONCURRENCY)
            deadline = asyncio.get_running_loop().time() + _DOOR_LINES_TIMEOUT_S
            lines = await asyncio.gather(*(self._find_door_line(one, slots, deadline) for one in progress))
        cameras = [
            SheetCamera(one, self._find_record(one), line, changed)
            for one, line, changed in zip(progress, lines, changes, strict=True)
        ]
        shown = describe_plan(plan, progress, run, self._registry)
        firmware = PlanFirmware(progress, self._registry)
        return AcceptanceSheet(time.time(), self._shop, self._host(), shown, firmware, cameras, self._pictures)

    def _find_record(self, camera: CameraProgress) -> CameraRecord | None:
        return self._registry.find(camera.sn) if camera.sn else None

    async def _find_door_line(
        self, camera: CameraProgress, slots: asyncio.Semaphore, deadline: float
    ) -> SheetDoorLine | None:
        record = self._find_record(camera)
        if record is None:
            return None
        try:
            async with slots, asyncio.timeout_at(deadline):
                return await find_door_line(self._cameras, record)
        except TimeoutError:
            return SheetDoorLine("unknown", message("the camera did not answer in time"))
