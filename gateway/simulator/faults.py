"""Misbehaviour on demand: what a simulated camera, cloud or discovery responder is told to do wrong."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.protocol.discovery_frames import Announcement

FaultKind = Literal[
    "slow", "drop", "reset_before", "reset_after", "refuse", "status", "garbage", "html", "empty", "endless", "silent"
]
"""What goes wrong with one call.

`slow` answers after `seconds`; `drop` closes the connection before the body is read; `reset_before` and `reset_after`
reset it once the call was read, before or after it took effect; `refuse` answers the vendor's `code`; `status` answers
the HTTP `status`, with the vendor's `code` as its body if one is given and `Retry-After` if `retry_after_s` is given;
`garbage`, `html`, `empty` and `endless` are bodies that are no vendor answer; `silent` never answers.
"""


@dataclass(slots=True)
class InjectedFault:
    """One thing that goes wrong with the next `times` calls of `path`; None is every call, "" every path."""

    kind: FaultKind
    path: str = ""
    times: int | None = 1
    seconds: float = 0
    code: int = 0
    status: int = 0
    retry_after_s: int | None = None

    def __post_init__(self) -> None:
        """Refuse a fault that would do nothing."""
        if self.kind == "slow" and self.seconds <= 0:
            raise ValueError("a slow answer needs seconds above 0")
        if self.kind == "refuse" and self.code == 0:
            raise ValueError("a refusal needs a code other than 0")
        if self.kind == "status" and not 400 <= self.status <= 599:
            raise ValueError(f"a failing HTTP status is 400 to 599, not {self.status}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault happens at least once, not {self.times} times")


@dataclass(slots=True)
class FaultInjection:
    """What one server does wrong; may be changed at any time.

    The switches hold for every call: `latency_s` delays each answer, `clock_offset_s` is how far the server's clock is
    ahead of the truth, `send_date` false leaves the `Date` header out, `changed_certificate` shows another certificate
    (connections that showed the former one are cut), `close_after_answer` ends the connection after every answer,
    `client_certificate` refuses the TLS handshake without the old-style client certificate (cameras only).
    """

    latency_s: float = 0
    clock_offset_s: float = 0
    send_date: bool = True
    changed_certificate: bool = False
    close_after_answer: bool = False
    client_certificate: bool = False
    queue: list[InjectedFault] = field(default_factory=list)

    def add(
        self,
        kind: FaultKind,
        *,
        path: str = "",
        times: int | None = 1,
        seconds: float = 0,
        code: int = 0,
        status: int = 0,
        retry_after_s: int | None = None,
    ) -> None:
        """Queue a fault, to happen before those queued later. Raises ValueError for a senseless one."""
        self.queue.append(InjectedFault(kind, path, times, seconds, code, status, retry_after_s))

    def take(self, path: str) -> InjectedFault | None:
        """Return the fault that happens to this call, if any, and count it."""
        for fault in self.queue:
            if fault.path in ("", path):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self.queue.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Behave again: empty the queue and put every switch back."""
        self.queue.clear()
        self.latency_s = self.clock_offset_s = 0
        self.send_date = True
        self.changed_certificate = self.close_after_answer = self.client_certificate = False


@dataclass(slots=True)
class DiscoveryFaults:
    """What a discovery responder does wrong.

    `silent` answers nothing, `corrupt_first` sends a frame with a wrong checksum before each answer, `copies` is how
    often each answer is sent, `strangers` are other SUNMI products that answer a broadcast too.
    """

    silent: bool = False
    corrupt_first: bool = False
    copies: int = 1
    strangers: tuple[Announcement, ...] = ()


PRINTER = Announcement(
    sn="N411D98B00007", mac="0412247A0001", model="NT311", type="PRINTER", name="Kitchen", factory="SUNMI",
    firmware="2.3.1", network="STA",
)  # fmt: skip
"""A stranger for `DiscoveryFaults.strangers`: a printer of the vendor's that answers discovery."""
