"""What the console can do with a simulated store. The command that starts one provides it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatedStoreControl:
    """Tells the servers of a simulated store to misbehave."""

    targets: Sequence[str]
    """The servers: the cloud, and each camera."""
    faults: Sequence[tuple[str, str]]
    """How each fault is written, and what it does."""
    inject: Callable[[str, str], None]
    """Lets a target misbehave. Takes the target and the fault. Raises ValueError."""
    clear: Callable[[], None]
    """Lets every target behave again."""
    list_cameras: Callable[[], Mapping[str, bool]]
    """Returns the cameras by serial number, and whether each is plugged in."""
    plug: Callable[[str, bool], Awaitable[None]]
    """Plugs a camera in, or unplugs it. Raises ValueError for one that the store does not have."""
    site_plan: str = ""
    """A list of its cameras as a site plan takes it, with their activation numbers; empty if it has none."""
