"""The state of one subscription, and when its target is called next."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from firmware_tools.language import describe_error, message
from gateway.cameras.connection import MalformedCameraResponse
from gateway.errors import GatewayError, Problem, VendorRefused
from gateway.events.subscription_targets import CLOUD, EventKey, SubscriptionTarget
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text

DAY_S: Final = 86400.0
RENEWAL_INTERVAL_S: Final = DAY_S
"""How often each subscription is renewed."""
UNSUPPORTED_RETRY_INTERVAL_S: Final = 7 * DAY_S
"""How long a camera whose firmware has no hook/add is left alone; an update may bring it."""
INITIAL_DELAY_S: Final = 15.0
MAX_DELAY_S: Final = 900.0
"""The range of delays after a failure."""

State = Literal["waiting", "subscribed", "failing", "unsupported", "ended", "off"]

_log: Final = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscription:
    """The state of the subscription at one target."""

    target: SubscriptionTarget
    """The cloud or a camera."""
    try_at: float | None
    """When it is called next, in monotonic seconds; None if it is not called by itself."""
    state: State = "waiting"
    """`unsupported` by its firmware, `ended` by a person, `off` by the settings."""
    callback_url: str = ""
    """The URL that it was given; empty if it has none."""
    events: list[EventKey] = field(default_factory=list)
    """The events that it reports."""
    refused: dict[str, str] = field(default_factory=dict)
    """The events that it does not report, with what the vendor says of each."""
    since: float | None = None
    """Since when it is subscribed, in Unix seconds."""
    last_error: str = ""
    """Why the last call failed; empty if it did not."""
    was_offline: bool = False
    """Whether the camera was offline since the last call that succeeded."""
    call: asyncio.Task[None] | None = None
    """The last call that nobody asked for."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held during a call."""
    back_off: BackOff = field(default_factory=lambda: BackOff(INITIAL_DELAY_S, MAX_DELAY_S))
    failure_log: FailureLog = field(init=False)

    def __post_init__(self) -> None:
        """Name the target in the log."""
        name = (
            message("the cloud") if self.target.name == CLOUD else message("the camera {name}", name=self.target.name)
        )
        self.failure_log = FailureLog(_log, f"events are not subscribed to at {name}", level=logging.WARNING)

    @property
    def busy(self) -> bool:
        """Whether it is being called, or about to be."""
        return self.lock.locked() or (self.call is not None and not self.call.done())

    def known_callback_url(self) -> str:
        """Return the URL that the target is to call; empty if there is none now."""
        try:
            return self.target.callback_url()
        except Problem:
            return ""

    async def renew(self, now: float) -> None:
        """Subscribe. `now` is the time in Unix seconds. Raises what the call raises."""
        try:
            url = self.target.callback_url()
            events, refused = await _subscribe(self.target, url)
        except GatewayError as exc:
            self._note_failure(exc)
            raise
        if self.state != "subscribed" or (self.callback_url, self.events) != (url, events):
            self.since = now
        self.state, self.callback_url, self.events, self.refused = "subscribed", url, events, refused
        self.last_error, self.was_offline = "", False
        self.try_at = time.monotonic() + RENEWAL_INTERVAL_S * random.uniform(0.9, 1.0)
        self.back_off.reset()
        self.failure_log.recovered()

    async def end(self) -> None:
        """End it and do not renew it. Raises what the call raises."""
        url = self.callback_url or self.known_callback_url()
        await self.target.delete(self.events or self.target.events, url)
        self.state, self.try_at, self.last_error, self.since = "ended", None, "", None
        self.events, self.refused, self.callback_url = [], {}, ""
        self.failure_log.recovered()

    def _note_failure(self, failure: GatewayError) -> None:
        """Note why it is not subscribed, and when it is called again."""
        self.last_error = describe_error(failure)
        if self.target.name == CLOUD and not self.known_callback_url():
            self.state, self.try_at = "off", None  # it takes other settings, and so a restart
        elif isinstance(failure, MalformedCameraResponse) and failure.http_status == 404:
            self.state = "unsupported"
            self.try_at = time.monotonic() + UNSUPPORTED_RETRY_INTERVAL_S * random.uniform(0.8, 1.2)
        else:
            self.state = "failing"
            self.try_at = time.monotonic() + self.back_off.next_delay_s()
            self.failure_log.failed(failure)

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {
            "target": self.target.name,
            "state": self.state,
            "callback": self.callback_url or None,
            "events": self.events,
            "refused": self.refused,
            "since": None if self.since is None else utc_text(self.since),
            "last_error": self.last_error or None,
            "next_try_in_s": None if self.try_at is None else max(0, round(self.try_at - time.monotonic())),
        }


async def _subscribe(target: SubscriptionTarget, url: str) -> tuple[list[EventKey], dict[str, str]]:
    """Subscribe to all events of a target, or else to each that it accepts. Return those, and why it refused others.

    Raises what the call raises; for a target that accepts none of them, its first refusal.
    """
    events = list(target.events)
    try:
        await target.add(events, url)
    except VendorRefused as exc:
        if len(events) == 1 or exc.vendor_code in target.general_refusals:
            raise
        first_refusal = exc
    else:
        return events, {}
    accepted: list[EventKey] = []
    refused: dict[str, str] = {}
    for event in events:
        try:
            await target.add([event], url)
        except VendorRefused as exc:
            refused[str(event)] = exc.detail
        else:
            accepted.append(event)
    if not accepted:
        raise first_refusal
    return accepted, refused
