"""Callbacks of the vendor: the cloud and the cameras report events; each is checked, written down, and only then told.

A callback is signed as every call is (NOTES: Cloud events; Camera events).
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from gateway import RELEASED_AT
from gateway.cameras.registry import Registry
from gateway.errors import Conflict, FieldError, InvalidRequest, NotManaged, Unauthorized
from gateway.events.correlation import EventCorrelation
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.protocol.events import Source, read_report
from gateway.protocol.signing import sign

WINDOW_S: Final = 300
"""How far the timestamp of a callback may be off; no document says, so this is the notes' suggestion (section 4)."""

_SHOP: Final = ("shop_id", "sunmi_shop_no")


class Callbacks:
    """Takes callbacks. `cloud` and `camera` are the app_id and secret key that sign theirs.

    `serial_number` gives the serial number for the cloud's number of a camera, as far as it is known.
    `now` is the best time at hand in Unix seconds: the cloud's, where that is known.
    """

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
        self._event_log = event_log
        self._registry = registry
        self._accounts: dict[Source, tuple[str, str]] = {"cloud": cloud, "camera": camera}
        self._now = now
        self._kinship = EventCorrelation()
        self._serial_number = serial_number

    async def take(self, source: Source, fields: Mapping[str, str], camera: str | None = None) -> None:
        """Write down what a callback reports; one that was taken before is good and changes nothing.

        `camera` is the serial number in the address that a camera called. Raises `Unauthorized` (signature, time),
        `InvalidRequest`, `NotFound` and `NotManaged` for a camera that is not ours, `Conflict` without credentials, and
        `StateError` when it cannot be written.
        """
        if camera is not None and not self._registry.get(camera).managed:
            raise NotManaged(f"the camera {camera} is not managed, so its events are not taken: add it first")
        self._check(source, fields)
        field_errors = [FieldError(name, "is required") for name in ("event", "payload") if not fields.get(name)]
        if field_errors:
            raise InvalidRequest(field_errors)
        report = read_report(fields["event"], fields["payload"], {k: fields[k] for k in _SHOP if fields.get(k)})
        sn = camera or report.camera or self._serial_number(report.ipc_id)
        data, live = dict(report.data), report.live
        if (kin := self._kinship.of(source, sn, report)) is not None:
            data["related_to"] = kin
            live = None if live is None else {**live, "related_to": kin}
        event = await self._event_log.append(
            NewEvent(report.type, source, data, sn, live, report.personal, report.face_id), digest=_digest(fields)
        )
        if event is not None:
            self._kinship.note(source, sn, report, event.id)

    def _check(self, source: Source, fields: Mapping[str, str]) -> None:
        app_id, key = self._accounts[source]
        if not app_id or not key:
            raise Conflict(
                f"callbacks of the {source} cannot be checked: set the app_id and secret_key in the settings"
            )
        right = sign(fields, key)
        known = hmac.compare_digest(fields.get("app_id", "").encode(), app_id.encode())
        if not hmac.compare_digest(fields.get("sign", "").encode(), right.encode()) or not known:
            raise Unauthorized("the signature of the callback is not right: check app_id and secret_key on both sides")
        stamp = fields.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
            raise InvalidRequest([FieldError("timestamp", "must be Unix seconds")])
        now = self._now()
        # Before the time is known (a Pi has no clock) nothing can be said of a timestamp, and an event would be lost.
        if now >= RELEASED_AT and abs(int(stamp) - now) > WINDOW_S:
            raise Unauthorized(f"the timestamp of the callback is more than {WINDOW_S} s off this gateway's time")


def _digest(fields: Mapping[str, str]) -> bytes:
    named = "\n".join(fields.get(name, "") for name in ("app_id", "timestamp", "random", "sign"))
    return hashlib.sha256(named.encode("utf-8", "replace")).digest()
