"""Fault injection: what a simulated camera, cloud or discovery responder is told to do wrong.

Each fault is declared once, here: its name, its effect and its parameters. The command line reads its options and
prints its help by these declarations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from firmware_tools.language import Message, message
from gateway.protocol.discovery_frames import Announcement
from gateway.simulator.malformed_json import FLAWS

FaultKind = Literal[
    "slow", "drop", "reset_before", "reset_after", "refuse", "status", "malformed_json", "garbage", "html", "empty",
    "endless", "silent",
]  # fmt: skip
"""What goes wrong with one call; `FAULT_KINDS` describes each."""


class FaultDescription(NamedTuple):
    """How a kind of fault is explained to people."""

    effect: Message
    """What the simulated server does."""
    parameters: Sequence[str] = ()
    """The fields of `InjectedFault` that this kind has beside those of every kind."""


FAULT_KINDS: Final[Mapping[FaultKind, FaultDescription]] = {
    "slow": FaultDescription(message("sends the response late"), ("seconds",)),
    "drop": FaultDescription(message("closes the connection before it has read the request")),
    "reset_before": FaultDescription(message("resets the connection before the request takes effect")),
    "reset_after": FaultDescription(message("resets the connection after the request took effect")),
    "refuse": FaultDescription(message("refuses the call with a return code of the vendor"), ("code",)),
    "status": FaultDescription(message("sends a failing HTTP status"), ("status", "code", "retry_after_s")),
    "malformed_json": FaultDescription(
        message("prints the response as real cameras may: one name in it makes the JSON malformed"), ("flaw",)
    ),
    "garbage": FaultDescription(message("sends bytes that are not JSON")),
    "html": FaultDescription(message("sends a web page, as the login page of a guest network")),
    "empty": FaultDescription(message("sends an empty body")),
    "endless": FaultDescription(message("sends a body that never ends")),
    "silent": FaultDescription(message("never sends a response")),
}
COMMON_PARAMETERS: Final = ("path", "times")
"""The parameters of every kind."""


@dataclass(slots=True)
class InjectedFault:
    """One thing that goes wrong with some calls. Raises ValueError for a fault that would do nothing."""

    kind: FaultKind
    path: Annotated[str, message("the only endpoint whose calls are concerned; without it, all")] = ""
    times: Annotated[int | None, message("how many calls are concerned; 1 unless given")] = 1
    """None for every call."""
    seconds: Annotated[float, message("the delay")] = 0
    code: Annotated[int, message("the vendor's return code in the body")] = 0
    """0 for a body without one."""
    status: Annotated[int, message("the HTTP status, 400 to 599")] = 0
    retry_after_s: Annotated[int | None, message("the value of the header Retry-After")] = None
    """None for no such header."""
    flaw: Annotated[str, message("what is wrong with the JSON: {flaws}", flaws=", ".join(FLAWS))] = ""

    def __post_init__(self) -> None:
        """Refuse a fault that would do nothing."""
        if self.kind not in FAULT_KINDS:
            raise ValueError(
                message("{name!r} is not a fault; there are {names}", name=self.kind, names=", ".join(FAULT_KINDS))
            )
        if self.kind == "slow" and self.seconds <= 0:
            raise ValueError(message("slow needs seconds above 0"))
        if self.kind == "refuse" and self.code == 0:
            raise ValueError(message("refuse needs a code other than 0"))
        if self.kind == "status" and not 400 <= self.status <= 599:
            raise ValueError(message("status needs a status of 400 to 599, not {status}", status=self.status))
        if self.kind == "malformed_json" and self.flaw not in FLAWS:
            raise ValueError(message("malformed_json needs a flaw of {flaws}", flaws=", ".join(FLAWS)))
        if self.times is not None and self.times < 1:
            raise ValueError(message("times is at least 1, not {times}", times=self.times))


@dataclass(slots=True)
class FaultInjection:
    """What one server does wrong. It may be changed at any time.

    The switches hold for every call; the faults in `queue` for the calls that they name.
    """

    latency_s: Annotated[float, message("delays every response by so many seconds")] = 0
    clock_offset_s: Annotated[float, message("sets the server's clock ahead by so many seconds")] = 0
    date_offset_s: Annotated[float, message("sets the header Date ahead of the server's clock by so many seconds")] = 0
    send_date: Annotated[bool, message("leaves out the header Date")] = True
    changed_certificate: Annotated[
        bool, message("shows another certificate, and cuts connections that saw the former one")
    ] = False
    close_after_answer: Annotated[bool, message("closes the connection after every response")] = False
    client_certificate: Annotated[
        bool, message("demands the old-style client certificate in the handshake; cameras only")
    ] = False
    label_s: Annotated[
        float, message("lets an access point take so many seconds for each picture of a shelf label; cloud only")
    ] = 0.5
    label_delay_s: Annotated[
        float, message("lets a pushed picture wait so many seconds before its access point begins; cloud only")
    ] = 0
    label_failures: Annotated[
        int, message("lets the next so many pictures fail on their way to shelf labels; cloud only")
    ] = 0
    access_points_offline: Annotated[
        bool, message("takes the access points of shelf labels offline; their labels wait; cloud only")
    ] = False
    long_connect_time: Annotated[
        bool, message("sends connect_time of shelf labels with a digit too many, as the sample; cloud only")
    ] = False
    queue: list[InjectedFault] = field(default_factory=list)
    """Faults of single calls; the first that fits a call is taken."""

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
        flaw: str = "",
    ) -> None:
        """Queue a fault behind those that wait. Raises ValueError for one that would do nothing."""
        self.queue.append(InjectedFault(kind, path, times, seconds, code, status, retry_after_s, flaw))

    def take(self, path: str) -> InjectedFault | None:
        """Return the fault of this call, if it has one, and count it."""
        for fault in self.queue:
            if fault.path in ("", path):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self.queue.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Empty the queue and put every switch back."""
        self.queue.clear()
        for switch in SWITCHES.values():
            setattr(self, switch.name, switch.default)


class FaultSetting(NamedTuple):
    """A parameter of a fault, or a switch, as it is declared."""

    name: str
    type: type[str] | type[int] | type[float] | type[bool]
    """The type of its value."""
    description: Message
    """Its meaning and unit."""
    default: Any
    """Its value where none is given."""


def _read_settings(declared: type[InjectedFault] | type[FaultInjection]) -> dict[str, FaultSetting]:
    """Return the annotated fields of a dataclass, by name."""
    defaults = {known.name: known.default for known in fields(declared)}
    settings: dict[str, FaultSetting] = {}
    for name, hint in get_type_hints(declared, include_extras=True).items():
        if get_origin(hint) is Annotated:
            value_type, description = get_args(hint)
            optional = get_args(value_type)  # of X | None
            settings[name] = FaultSetting(name, optional[0] if optional else value_type, description, defaults[name])
    return settings


PARAMETERS: Final = _read_settings(InjectedFault)
"""The parameters of faults, by name."""
SWITCHES: Final = _read_settings(FaultInjection)
"""The switches, by name."""


@dataclass(slots=True)
class DiscoveryFaults:
    """What a discovery responder does wrong."""

    silent: bool = False
    """Whether it sends no response."""
    corrupt_first: bool = False
    """Whether a frame with a wrong checksum comes before each response."""
    copies: int = 1
    """How often each response is sent."""
    other_devices: tuple[Announcement, ...] = ()
    """Products of the vendor that are no cameras, and respond to a broadcast too."""


PRINTER: Final = Announcement(
    sn="N411D98B00007", mac="0412247A0001", model="NT311", type="PRINTER", name="Kitchen", factory="SUNMI",
    firmware="2.3.1", network="STA",
)  # fmt: skip
"""A printer of the vendor, for `DiscoveryFaults.other_devices`."""
