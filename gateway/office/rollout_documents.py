"""A change that reaches the shops in waves, as the bucket `rollouts` holds it.

The key `ID` is the roll-out. The keys `ID.N` say which shops it has reached, in what order, and what each is to go back
to: each of them is stored before any of its shops is told.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.fleet.documents import Name
from gateway.fleet.part_names import PartKind

RolloutState = Literal["running", "paused", "stopped", "ended", "done", "undoing", "undone"]
"""`stopped`: by failures; it can be continued. `ended`: by a person, for good. All but `undone` can be undone."""
ShopOutcome = Literal[
    "applied", "refused", "rolled_back", "trouble", "unfinished", "silent", "lost", "away", "pending", "undone"
]
"""What became of a roll-out in a shop. `trouble` began after the change. An `unfinished` shop is connected and has said
in time why it is not done; a `silent` one has said nothing; a `lost` one was connected when it was told, and is not any
more. `undone` is what all are once it is undone: what they say then is of what they had before."""

FAILURES: Final[tuple[ShopOutcome, ...]] = ("refused", "rolled_back", "trouble", "unfinished", "silent", "lost")
"""The outcomes that count as failures. A shop that was away when it was told has not failed, and is counted apart."""
ACTIVE: Final[tuple[RolloutState, ...]] = ("running", "undoing")
"""The states in which there is something to do."""
OVER: Final[tuple[RolloutState, ...]] = ("ended", "done", "undone")
"""The states in which nothing is to be done any more, unless somebody undoes it."""


class RolloutTarget(BaseModel):
    """Which shops a roll-out is for: those that are named, those of groups, or all."""

    model_config = ConfigDict(frozen=True)

    shops: tuple[Name, ...] = Field(default=(), description="These shops.")
    groups: tuple[Name, ...] = Field(default=(), description="The shops of these groups; new ones of them, too.")
    everyone: bool = Field(default=False, description="All shops; new ones, too.")


class Rollout(BaseModel):
    """A roll-out."""

    model_config = ConfigDict(frozen=True)

    id: Name = Field(description="Its name.")
    kind: PartKind = Field(description="What it changes.")
    title: str = Field(max_length=500, description="What it changes, for people.")
    by: str = Field(max_length=200, description="Who started it.")
    began: str = Field(description="When, in UTC, by the clock of the servers.")
    target: RolloutTarget = Field(description="For which shops it is.")
    parts: dict[str, Any] = Field(description="What is desired, by part; null: nothing any more.")
    waves: tuple[str, ...] = Field(
        description="How far each wave goes: the name of a group, or a percentage of the shops; the last one is 100."
    )
    stop_at: float = Field(ge=0, le=1, description="At which share of failures it stops.")
    wait_s: float = Field(ge=0, description="For how long each wave is waited for, in seconds.")

    state: RolloutState = Field(default="running", description="How it stands.")
    reason: str = Field(default="", description="Why it stands so.")
    wave: int = Field(default=0, ge=0, description="The number of the present wave, from 0.")
    is_told: bool = Field(default=False, description="Whether all shops of the present wave have been told.")
    waited_s: float = Field(default=0, ge=0, description="For how long the present wave was waited for, in seconds.")
    told: int = Field(default=0, ge=0, description="How many shops have been told.")
    shops: int = Field(default=0, ge=0, description="How many shops it is for.")
    own: int = Field(default=0, ge=0, description="How many shops are left out: they have a value of their own.")
    outcomes: dict[ShopOutcome, int] = Field(default={}, description="How many shops have which outcome.")
    counted_at: str = Field(
        default="",
        description="When the outcomes were counted, in UTC, by the clock of the servers; empty if they never were. "
        "They are counted as long as it is advanced, and when it is shown by itself.",
    )
    tolerated: int = Field(default=0, ge=0, description="How many failures somebody has seen and gone on with.")
    earlier: dict[str, dict[str, Any]] = Field(
        default={}, description="What the documents of the chain or of groups are to go back to, by key and part."
    )
    revisions: dict[str, int] = Field(
        default={}, description="The revisions that these documents had when the shops were told by them, by key."
    )
    holder: str = Field(default="", description="Which process advances it; empty if none does.")
    beat: int = Field(default=0, ge=0, description="Counts the signs of life of that process.")

    @property
    def failed(self) -> int:
        """How many shops have failed."""
        return sum(self.outcomes.get(outcome, 0) for outcome in FAILURES)

    @property
    def is_last_wave(self) -> bool:
        """Whether the present wave is the last one."""
        return self.wave == len(self.waves) - 1

    def describe(self) -> dict[str, Any]:
        """Return it as JSON for people and other systems."""
        document = self.model_dump(mode="json", exclude={"earlier", "revisions", "beat", "is_told", "tolerated"})
        return {**document, "failed": self.failed}


class ReachedShop(BaseModel):
    """A shop that a roll-out reaches."""

    model_config = ConfigDict(frozen=True)

    earlier: dict[str, Any] = Field(
        default={}, description="What its own document is to go back to, by part; only the parts that are set there."
    )
    troubles: tuple[str, ...] = Field(default=(), description="What did not work before, as `KIND.NAME`.")
    away: bool = Field(default=False, description="Whether it was away when it was told.")
    revision: int = Field(
        default=0, ge=0, description="The revision of its own document by which it was told; 0 until it is."
    )


class RolloutBatch(BaseModel):
    """Some shops that a roll-out reaches: the key `ID.N`."""

    model_config = ConfigDict(frozen=True)

    wave: int = Field(ge=0, description="In which wave.")
    shops: dict[Name, ReachedShop] = Field(description="By name.")


class ShopResult(BaseModel):
    """What became of a roll-out in a shop."""

    model_config = ConfigDict(frozen=True)

    shop: Name = Field(description="Its name.")
    wave: int = Field(description="In which wave it was told, from 0.")
    outcome: ShopOutcome = Field(description="What became of it.")
    reason: str = Field(default="", description="Why, as the shop says it.")
