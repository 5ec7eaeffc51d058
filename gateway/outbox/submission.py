"""A submission: one call of one token, split into items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from firmware_tools.language import message
from gateway.errors import TooLarge
from gateway.outbox.account import Account
from gateway.outbox.batching import (
    MAX_BATCH_BYTES,
    aggregate_states,
    compute_content_digest,
    get_relay_policy,
    rebuild_response,
    split,
)
from gateway.outbox.label_names import LabelNames
from gateway.outbox.model import ItemOutcome, NewItem, Outcome, State
from gateway.outbox.waiter import Waiter
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.parameters import FilePart
from gateway.protocol.relay_policy import RelayPolicy

_MAX_NAMED: Final = 10
_ROW_BYTES: Final = 400
"""About what an item takes in the database beside its content."""


class Submission(NamedTuple):
    """A call that is handed over to the outbox."""

    path: str
    """The endpoint."""
    policy: RelayPolicy
    """The endpoint's relay policy."""
    token: str
    """The name of the caller's token; empty for commands."""
    idempotency_key: str | None
    """The key that makes a repeat recognisable."""
    digest: bytes | None
    """Digest of the whole call; only with a key."""
    shared: str
    """The parameters that the items share, as JSON."""
    items: Sequence[NewItem]
    """The items, in the order of the call."""
    files: Mapping[str, FilePart]
    """The files, by parameter."""
    size: int
    """About how many bytes it takes in the database."""
    waiter: Waiter | None
    """Waits for the outcomes of its items."""

    @classmethod
    def from_call(
        cls,
        call: Call,
        account: Account,
        names: LabelNames,
        *,
        token: str,
        idempotency_key: str | None,
        waiter: Waiter | None,
    ) -> Self:
        """Split a call of an account into items. Raises `TooLarge` if none of them can ever be sent."""
        call = account.without_shop(call)
        shared, items = split(call)
        if not get_relay_policy(call.endpoint).list_parameter:
            items = [names.complete(item, call.fields) for item in items]
        check_sizes(call.endpoint, items)
        digest = compute_content_digest(call) if idempotency_key is not None else None
        size = sum([len(item.text.encode()) + _ROW_BYTES for item in items]) + sum(map(len, _contents(call)))
        endpoint = call.endpoint
        return cls(
            endpoint.path,
            get_relay_policy(endpoint),
            token,
            idempotency_key,
            digest,
            shared,
            items,
            call.files,
            size,
            waiter,
        )


class SubmissionResult(NamedTuple):
    """What an accepted submission became."""

    submission: int
    """Its number: that of its first new item, if it has any."""
    items: Sequence[int]
    """The numbers of its items, in the order of the call."""
    new: Sequence[int]
    """Those that are new; the others were submitted before."""
    superseded: Sequence[int] = ()
    """Older items that the new ones replace."""
    revived: Sequence[int] = ()
    """Those that were refused before and are tried again."""

    @property
    def is_repeat(self) -> bool:
        """Whether all of it was submitted before, and nothing of it is sent anew."""
        return not self.new and not self.revived

    @property
    def outbox_id(self) -> str:
        """The name of the submission in the REST API: that of its item if it has only one of its own."""
        is_single = len(self.items) == 1 and self.items[0] == self.submission
        return str(self.submission) if is_single else f"s{self.submission}"


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """What is known of a submission when its caller is answered."""

    outbox_id: str
    """Its name in the REST API."""
    state: State
    """Its state."""
    outcome: Outcome | None = None
    """The outcome of its first item, once all have one."""
    response: str = ""
    """The response in the vendor's shape, as JSON, once all items are delivered or refused."""
    is_repeat: bool = False
    """Whether it was submitted before, so that this is what became of the first one."""
    items: Sequence[int] = ()
    """The numbers of its items, in the order of the call."""

    @classmethod
    def of_open(cls, result: SubmissionResult, state: State) -> Self:
        """Return the status of a submission whose outcomes are not known yet."""
        return cls(result.outbox_id, state, is_repeat=result.is_repeat, items=result.items)


def make_final_status(
    submission: Submission, result: SubmissionResult, outcomes: Mapping[int, Outcome]
) -> SubmissionStatus:
    """Return the status of a submission all of whose items have their last outcome."""
    references = [item.reference for item in submission.items]
    items = [ItemOutcome(name, outcomes[one]) for name, one in zip(references, result.items, strict=True)]
    state = aggregate_states([item.outcome.state for item in items])
    if state not in ("delivered", "refused"):
        first = next((item.outcome for item in items if item.outcome.meaning), items[0].outcome)
        return SubmissionStatus(result.outbox_id, state, first, is_repeat=result.is_repeat, items=result.items)
    response = rebuild_response(submission.policy, items)
    return SubmissionStatus(result.outbox_id, state, items[0].outcome, response, result.is_repeat, result.items)


def check_sizes(endpoint: Endpoint, items: Sequence[NewItem]) -> None:
    """Raise `TooLarge` if none of the items fits into a call. If some do, the others are refused one by one."""
    if endpoint.takes_file or any(item.size <= MAX_BATCH_BYTES for item in items):
        return
    names = ", ".join(item.reference for item in items[:_MAX_NAMED])
    raise TooLarge(
        message(
            "{endpoint_path}: more than the {max_batch_bytes} bytes that one call holds have: {names}",
            endpoint_path=endpoint.path,
            max_batch_bytes=MAX_BATCH_BYTES,
            names=names,
        )
    )


def _contents(call: Call) -> list[bytes]:
    return [part.data for part in call.files.values()]
