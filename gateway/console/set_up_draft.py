"""What a person has filled in so far to set up a camera. It stays while the page is closed, in memory only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from gateway.cameras.provisioning import ProvisioningRequest
from gateway.cameras.provisioning.job import ProvisioningJob

Question = Literal["network", "activation", "name"]
QUESTIONS: Final[tuple[Question, ...]] = get_args(Question)
"""What a person is asked, one after the other."""

MAX_DRAFTS: Final = 100
MAX_AGE_S: Final = 4 * 3600.0
"""How long a draft is kept after it was changed, since it holds secrets."""


@dataclass(slots=True)
class SetUpDraft:
    """The values for one camera."""

    ssid: str | None = None
    """The network to join; None to leave the camera on the one that it is on."""
    password: str | None = field(default=None, repr=False)
    """Its password; None for the one in the settings."""
    hidden: bool = False
    """Whether the network hides its name."""
    activation_number: str | None = field(default=None, repr=False)
    """The number; None not to activate the camera."""
    confirm_erase: bool = False
    """Whether the person has confirmed that face groups are deleted."""
    name: str = ""
    """The name to give."""
    answered: set[Question] = field(default_factory=set)
    """The questions that were answered."""
    is_open: bool = True
    """Whether the person fills it in; else its job is shown."""
    changed_at: float = 0.0
    """When it was changed last, in monotonic seconds."""

    @classmethod
    def from_request(cls, request: ProvisioningRequest) -> "SetUpDraft":
        """Return the draft of a job that was started elsewhere. It has the secrets that the job still has."""
        return cls(
            request.ssid, request.password, request.hidden, request.activation_number, request.confirm_erase,
            request.name or "", set(QUESTIONS), is_open=False,
        )  # fmt: skip

    @property
    def next_question(self) -> Question | None:
        """The first question that was not answered."""
        return next((one for one in QUESTIONS if one not in self.answered), None)

    def make_request(self, *, with_network: bool = True) -> ProvisioningRequest:
        """Return the request of a job; without the network if the camera has joined it already."""
        ssid = self.ssid if with_network else None
        return ProvisioningRequest(
            ssid=ssid,
            password=self.password if ssid is not None else None,
            hidden=self.hidden and ssid is not None,
            activation_number=self.activation_number,
            confirm_erase=self.confirm_erase,
            name=self.name or None,
        )


class SetUpDrafts:
    """The drafts of all cameras, by serial number."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._drafts: dict[str, SetUpDraft] = {}
        self._monotonic = monotonic

    def find(self, sn: str) -> SetUpDraft | None:
        """Return the draft for a camera, if there is one that is not too old."""
        self._expire()
        return self._drafts.get(sn)

    def save(self, sn: str, draft: SetUpDraft) -> SetUpDraft:
        """Keep a draft from now on. The oldest of too many is dropped."""
        self._expire()
        self._drafts.pop(sn, None)
        draft.changed_at = self._monotonic()
        self._drafts[sn] = draft
        if len(self._drafts) > MAX_DRAFTS:
            del self._drafts[next(iter(self._drafts))]
        return draft

    def note_job(self, job: ProvisioningJob) -> None:
        """Drop the draft of a job that needs nothing any more."""
        if job.state in ("done", "cancelled"):
            self._drafts.pop(job.sn, None)

    def _expire(self) -> None:
        oldest = self._monotonic() - MAX_AGE_S
        self._drafts = {sn: draft for sn, draft in self._drafts.items() if draft.changed_at >= oldest}
