"""The cloud's side of a plan: which cameras it lists, binding those that it does not, and their names there."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from firmware_tools.language import describe_error, message
from gateway.cloud.client import CloudClient
from gateway.errors import VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CloudSettings
from gateway.shop.progress import PlanStepFailed, StepOutcome

_LIST: Final = CATALOGUE.get("cloud", "device/ipc/getList")
_BIND: Final = CATALOGUE.get("cloud", "device/ipc/bind")
_RENAME: Final = CATALOGUE.get("cloud", "device/ipc/updateName")


class ListedCamera(NamedTuple):
    """A camera as the cloud lists it."""

    ipc_id: str
    """The cloud's id of it."""
    name: str
    """Its name there."""


class CloudBinding:
    """Binds cameras to the shop at the cloud. Cameras that ask at the same time share one list."""

    def __init__(
        self, cloud: CloudClient, settings: CloudSettings, *, listed_within_s: float = 30, retry_s: float = 3
    ) -> None:
        """`listed_within_s` is how long the cloud may take until it lists a camera; it is asked every `retry_s`."""
        self._cloud = cloud
        self._settings = settings
        self._listed_within_s = listed_within_s
        self._retry_s = retry_s
        self._lock = asyncio.Lock()
        self._listed: dict[str, ListedCamera] = {}
        self._listed_at = 0.0

    @property
    def is_configured(self) -> bool:
        """Whether the settings name an account of the cloud and a shop."""
        return bool(self._settings.app_id and self._settings.secret_key and self._settings.shop)

    async def bind(self, sn: str, name: str | None) -> StepOutcome:
        """See that the cloud lists a camera, with a name.

        Raises `PlanStepFailed` if it does not list it, and what the calls raise.
        """
        if not self.is_configured:
            return StepOutcome("skipped", message("the settings name no account of the cloud"))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._listed_within_s
        changed, refusal = False, ""
        listed = await self.find(sn)
        if listed is None:
            refusal = await self._bind(sn)
            changed = not refusal
            while (listed := await self.find(sn)) is None:
                if loop.time() >= deadline:
                    raise self._not_listed(sn, refusal)
                await asyncio.sleep(self._retry_s)
        if name is not None and listed.name != name:
            await self._cloud.call(
                _RENAME.encode({"ipc_id": listed.ipc_id, "ipc_name": name}, defaults=self._settings.shop)
            )
            changed = True
            listed = await self.find(sn)
            if listed is None or listed.name != name:
                reason = message("the cloud took the name {name!r}, and still lists another", name=name)
                return StepOutcome("warning", reason, changed, "wrong_value")
        return StepOutcome("done", message("the cloud lists it as {name!r}", name=listed.name), changed)

    async def _bind(self, sn: str) -> str:
        """Bind a camera, and return why the cloud refused that, if it did: some accounts cannot, and need not."""
        try:
            await self._cloud.call(_BIND.encode({"ipc_sn": sn}, defaults=self._settings.shop))
        except VendorRefused as exc:
            return describe_error(exc)
        return ""

    def _not_listed(self, sn: str, refusal: str) -> PlanStepFailed:
        text = message("the cloud does not list the camera {sn}", sn=sn)
        if refusal:
            text = message("{text}, and did not bind it: {refusal}", text=text, refusal=refusal)
        return PlanStepFailed("not_at_cloud", text)

    async def find(self, sn: str) -> ListedCamera | None:
        """Return a camera as the cloud lists it now: by a list that was asked for after this call."""
        return (await self.list_cameras()).get(sn.casefold())

    async def list_cameras(self) -> Mapping[str, ListedCamera]:
        """Return the cameras of the shop as the cloud lists them now, by serial number in lower case."""
        asked_at = asyncio.get_running_loop().time()
        async with self._lock:
            if self._listed_at <= asked_at:
                self._listed_at = asyncio.get_running_loop().time()
                response = await self._cloud.call(_LIST.encode({}, defaults=self._settings.shop))
                self._listed = _parse_list(response.data)
            return self._listed


def _parse_list(data: Any) -> dict[str, ListedCamera]:
    rows = data.get("ipc_list") if isinstance(data, Mapping) else None
    return {
        row["ipc_sn"].strip().casefold(): ListedCamera(str(row["ipc_id"]), str(row.get("ipc_name") or ""))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and isinstance(row.get("ipc_id"), (str, int)) and isinstance(row.get("ipc_sn"), str)
    }
