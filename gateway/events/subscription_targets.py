"""Subscription targets: the cloud and each managed camera, which report events when asked to."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.cameras.activation_probe import CAMERA_NOT_OURS
from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.cloud.client import CloudClient
from gateway.events.callback_urls import CallbackUrls
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.return_codes import (
    CAMERA_CALLBACK_REFUSED,
    CAMERA_SIGNATURE_REFUSED,
    CAMERA_TIME_REFUSED,
    CLOUD_ACCOUNT_ERROR_CODES,
    CLOUD_INTERNAL_ERROR_CODES,
)
from gateway.protocol.vendor_events import CLOUD_EVENTS, list_camera_events
from gateway.settings import CloudSettings

CLOUD: Final = "cloud"
"""The name of the cloud among the targets; a camera's is its serial number."""

_CLOUD_ADD: Final = CATALOGUE.get("cloud", "hook/add")
_CLOUD_DELETE: Final = CATALOGUE.get("cloud", "hook/delete")
_CAMERA_ADD: Final = CATALOGUE.get("camera", "hook/add")
_CAMERA_DELETE: Final = CATALOGUE.get("camera", "hook/delete")

EventKey = int | str
"""The cloud's number of an event, or the cameras' name for it."""


class SubscriptionTarget(Protocol):
    """One that reports events when asked to. Methods that wait raise what a call raises."""

    name: str
    """`cloud`, or the serial number of a camera."""
    general_refusals: frozenset[int]
    """Codes of refusals that have nothing to do with single events."""

    @property
    def events(self) -> Sequence[EventKey]:
        """The events that it can be asked to report, as far as is known."""

    def callback_url(self) -> str:
        """Return the URL that it is to call. Raises `Conflict` if there is none; the text says what is missing."""

    async def add(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Ask it to report events."""

    async def delete(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Ask it to report events no more; `callback_url` may be empty. It may end them for every other URL, too."""


class CloudTarget:
    """The cloud, for the shop of the settings."""

    name = CLOUD
    general_refusals = CLOUD_ACCOUNT_ERROR_CODES | CLOUD_INTERNAL_ERROR_CODES
    events: Sequence[EventKey] = CLOUD_EVENTS

    def __init__(self, cloud: CloudClient, settings: CloudSettings, callback_urls: CallbackUrls) -> None:
        """Take what calls the cloud, and what knows its callback URL."""
        self._cloud = cloud
        self._settings = settings
        self._callback_urls = callback_urls

    def callback_url(self) -> str:
        """Return the public URL."""
        return self._callback_urls.for_cloud()

    async def add(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Call hook/add."""
        await self._call(_CLOUD_ADD, event_list=list(events), http_callback=callback_url)

    async def delete(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Call hook/delete, which names no URL."""
        await self._call(_CLOUD_DELETE, event_list=list(events))

    async def _call(self, endpoint: Endpoint, **arguments: Any) -> None:
        await self._cloud.call(endpoint.encode(arguments, defaults=self._settings.shop))


class CameraTarget:
    """One camera."""

    general_refusals = frozenset(
        {CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS, CAMERA_CALLBACK_REFUSED}
    )

    def __init__(self, sn: str, registry: Registry, cameras: Cameras, callback_urls: CallbackUrls) -> None:
        """Take the serial number, what calls the camera, and what knows its callback URL."""
        self.name = sn
        self._registry = registry
        self._cameras = cameras
        self._callback_urls = callback_urls

    @property
    def events(self) -> Sequence[EventKey]:
        """What cameras of its model report. Raises `NotFound` once it was forgotten."""
        return list_camera_events(self._registry.get(self.name).model)

    def callback_url(self) -> str:
        """Return the URL in the camera's network. Raises `Conflict`, and `NotFound` once it was forgotten."""
        return self._callback_urls.for_camera(self._registry.get(self.name))

    async def add(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Call hook/add."""
        await self._call(_CAMERA_ADD, events, callback_url)

    async def delete(self, events: Sequence[EventKey], callback_url: str) -> None:
        """Call hook/delete."""
        await self._call(_CAMERA_DELETE, events, callback_url)

    async def _call(self, endpoint: Endpoint, events: Sequence[EventKey], callback_url: str) -> None:
        arguments = {"event_list": list(events), "http_callback": callback_url or None}
        await self._cameras.call(self.name, endpoint.encode(arguments))
