"""Whom events are subscribed to at: the cloud, and each camera of ours."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.cameras.activation_probe import CAMERA_NOT_OURS
from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.cloud.client import Cloud
from gateway.events.callback_urls import CallbackUrls
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.events import CLOUD_EVENTS, camera_events
from gateway.protocol.return_codes import (
    CAMERA_CALLBACK_REFUSED,
    CAMERA_SIGNATURE_REFUSED,
    CAMERA_TIME_REFUSED,
    CLOUD_ACCOUNT_ERROR_CODES,
    CLOUD_INTERNAL_ERROR_CODES,
)
from gateway.settings import CloudSettings

CLOUD: Final = "cloud"
"""The name of the cloud among the targets; a camera's is its serial number."""

_CLOUD_ADD = CATALOGUE.get("cloud", "hook/add")
_CLOUD_DELETE = CATALOGUE.get("cloud", "hook/delete")
_CAMERA_ADD = CATALOGUE.get("camera", "hook/add")
_CAMERA_DELETE = CATALOGUE.get("camera", "hook/delete")

Event = int | str


class Target(Protocol):
    """Who reports events when asked to. Methods that wait raise what a call raises.

    `about_all` are the codes of refusals that have nothing to do with single events.
    """

    name: str
    about_all: frozenset[int]

    @property
    def events(self) -> Sequence[Event]:
        """What it can be asked to report, as far as is known."""

    def callback(self) -> str:
        """Return the address that it is to call. Raises `Conflict` telling what is missing for one."""

    async def add(self, events: Sequence[Event], callback: str) -> None:
        """Ask it to report events."""

    async def delete(self, events: Sequence[Event], callback: str) -> None:
        """Ask it to report events no more; to whom, it may not look at. `callback` may be empty."""


class CloudTarget:
    """The cloud, for the shop of the settings."""

    name = CLOUD
    about_all = CLOUD_ACCOUNT_ERROR_CODES | CLOUD_INTERNAL_ERROR_CODES
    events: Sequence[Event] = CLOUD_EVENTS

    def __init__(self, cloud: Cloud, settings: CloudSettings, callback_urls: CallbackUrls) -> None:
        self._cloud = cloud
        self._settings = settings
        self._arrival = callback_urls

    def callback(self) -> str:
        """Return the public address."""
        return self._arrival.of_cloud()

    async def add(self, events: Sequence[Event], callback: str) -> None:
        """Call hook/add."""
        await self._call(_CLOUD_ADD, event_list=list(events), http_callback=callback)

    async def delete(self, events: Sequence[Event], callback: str) -> None:
        """Call hook/delete, which names no address."""
        await self._call(_CLOUD_DELETE, event_list=list(events))

    async def _call(self, endpoint: Endpoint, **arguments: Any) -> None:
        await self._cloud.call(endpoint.encode(arguments, defaults=self._settings.shop))


class CameraTarget:
    """One camera."""

    about_all = frozenset({CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS, CAMERA_CALLBACK_REFUSED})

    def __init__(self, sn: str, registry: Registry, cameras: Cameras, callback_urls: CallbackUrls) -> None:
        self.name = sn
        self._registry = registry
        self._cameras = cameras
        self._arrival = callback_urls

    @property
    def events(self) -> Sequence[Event]:
        """What cameras of its model report. Raises `NotFound` once it was forgotten."""
        return camera_events(self._registry.get(self.name).model)

    def callback(self) -> str:
        """Return the address in the camera's network. Raises `Conflict`, and `NotFound` once it was forgotten."""
        return self._arrival.of_camera(self._registry.get(self.name))

    async def add(self, events: Sequence[Event], callback: str) -> None:
        """Call hook/add."""
        await self._call(_CAMERA_ADD, events, callback)

    async def delete(self, events: Sequence[Event], callback: str) -> None:
        """Call hook/delete."""
        await self._call(_CAMERA_DELETE, events, callback)

    async def _call(self, endpoint: Endpoint, events: Sequence[Event], callback: str) -> None:
        arguments = {"event_list": list(events), "http_callback": callback or None}
        await self._cameras.call(self.name, endpoint.encode(arguments))
