"""Callbacks of the vendor: checks what the cloud and the cameras report, and stores it in the event log.

A callback is signed as every call is (NOTES: Cloud events; Camera events).
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from firmware_tools.language import message
from gateway import RELEASED_AT
from gateway.cameras.registry import Registry
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, Unauthorized
from gateway.events.correlation import EventCorrelation
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.protocol.event_type import Source
from gateway.protocol.signing import sign
from gateway.protocol.vendor_report import parse_report

MAX_CLOCK_DIFFERENCE_S: Final = 300
"""How far the timestamp of a callback may be off. No document says it; the notes suggest this (section 4)."""

_REQUIRED: Final = ("event", "payload")
_SHOP_KEYS: Final = ("shop_id", "sunmi_shop_no")

_log = logging.getLogger(__name__)


class Callbacks:
    """Takes callbacks of the cloud and of cameras."""

    def __init__(
        self,
        event_log: EventLog,
        registry: Registry,
        *,
        cloud: tuple[str, str],
        camera: tuple[str, str],
        serial_number: Callable[[str], str | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take app_id and secret key of the cloud's and the cameras' callbacks.

        `serial_number` returns the serial number of a camera by the cloud's id, as far as it is known. `now` returns
        the best known time in Unix seconds.
        """
        self._event_log = event_log
        self._registry = registry
        self._accounts: dict[Source, tuple[str, str]] = {"cloud": cloud, "camera": camera}
        self._now = now
        self._correlation = EventCorrelation()
        self._serial_number = serial_number

    def check_sender(self, source: Source, camera: str | None = None) -> None:
        """Refuse what can be no good callback whatever it says, before it is read.

        `camera` is as for `receive`. Raises `Unauthorized` for a camera that is not managed, and `Conflict` where the
        cloud's credentials are not set.
        """
        if camera is None:
            self._check_credentials(source)
        elif not self._is_managed(camera):
            raise refuse_camera(message("the camera {camera} is not managed here", camera=camera))

    async def receive(self, source: Source, fields: Mapping[str, str], camera: str | None = None) -> None:
        """Store what a callback reports. One that is stored already changes nothing.

        `camera` is the serial number in the URL that a camera called. Raises `Unauthorized` (camera, signature, time),
        `InvalidRequest`, `Conflict` without the cloud's credentials, and `StateError` if it cannot be stored.
        """
        self.check_sender(source, camera)
        try:
            self.authenticate(source, fields)
        except (Conflict, Unauthorized) as exc:
            if camera is None:
                raise
            raise refuse_camera(exc.detail) from exc
        missing = [FieldError(name, message("is required")) for name in _REQUIRED if not fields.get(name)]
        if missing:
            raise InvalidRequest(missing)
        shop = {name: fields[name] for name in _SHOP_KEYS if fields.get(name)}
        report = parse_report(fields["event"], fields["payload"], shop)
        sn = camera or report.camera or self._serial_number(report.ipc_id)
        related_to = self._correlation.take_related(source, sn, report)
        event = replace(report.event, related_to=related_to)
        stored = await self._event_log.append(
            NewEvent(
                report.type,
                source,
                event.data,
                camera=sn,
                live=None if report.live_payload is None else replace(event, payload=report.live_payload).data,
                personal=event.personal,
                face_id=report.face_id,
            ),
            digest=_digest(fields),
        )
        if stored is not None:
            self._correlation.remember(stored.id, source, sn, report)

    def authenticate(self, source: Source, fields: Mapping[str, str]) -> None:
        """Check who has sent a form, and when.

        Raises `Unauthorized`, `InvalidRequest` for a time that is none, and `Conflict` where the credentials are not
        set.
        """
        app_id, key = self._check_credentials(source)
        expected = sign(fields, key)
        app_id_matches = hmac.compare_digest(fields.get("app_id", "").encode(), app_id.encode())
        if not hmac.compare_digest(fields.get("sign", "").encode(), expected.encode()) or not app_id_matches:
            raise Unauthorized(message("the signature is not right: check app_id and secret_key on both sides"))
        timestamp = fields.get("timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
            raise InvalidRequest([FieldError("timestamp", message("must be Unix seconds"))])
        now = self._now()
        # Before the time is known (a Pi has no clock) nothing can be said of a timestamp, and an event would be lost.
        if now >= RELEASED_AT and abs(int(timestamp) - now) > MAX_CLOCK_DIFFERENCE_S:
            raise Unauthorized(
                message(
                    "the timestamp is more than {max_clock_difference_s} s off this gateway's time",
                    max_clock_difference_s=MAX_CLOCK_DIFFERENCE_S,
                )
            )

    def _is_managed(self, camera: str) -> bool:
        try:
            return self._registry.get(camera).managed
        except NotFound:
            return False

    def _check_credentials(self, source: Source) -> tuple[str, str]:
        app_id, key = self._accounts[source]
        if not app_id or not key:
            raise Conflict(
                message(
                    "calls of the {source} cannot be checked: set the app_id and secret_key in the settings",
                    source=source,
                )
            )
        return app_id, key


def refuse_camera(reason: str) -> Unauthorized:
    """Return the one refusal of a camera's callback, so that a stranger does not learn which cameras there are."""
    _log.debug("a callback of a camera is refused: %s", reason)
    return Unauthorized(
        message(
            "the callback is not accepted: it must be of a camera that is managed here, and be "
            "signed with the app_id and secret_key of the settings at the present time"
        )
    )


def _digest(fields: Mapping[str, str]) -> bytes:
    """Return what identifies a callback."""
    identity = "\n".join(fields.get(name, "") for name in ("app_id", "timestamp", "random", "sign"))
    return hashlib.sha256(identity.encode("utf-8", "replace")).digest()
