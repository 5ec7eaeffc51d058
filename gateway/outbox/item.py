"""Items and submissions as people and tills see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firmware_tools.language import message
from gateway.errors import Conflict, NotFound
from gateway.outbox.account import UNKNOWN_ACCOUNT, Account
from gateway.outbox.batching import aggregate_states, build_parameters, rebuild_response
from gateway.outbox.model import ItemOutcome, Outcome, State
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.runtime.timestamps import utc_text


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An item as it is stored."""

    sequence: int
    """Its number."""
    submission: int
    """The number of the submission that brought it."""
    token: str | None
    """The name of the caller's token; None if nobody knows whose it is."""
    path: str
    """The endpoint for which it was accepted. A later version of the gateway may not know it."""
    state: State
    """Its state; `sending` while it is in flight."""
    shared: str
    """The parameters that it shares with the other items of its call, as JSON."""
    text: str | None
    """Its own JSON; None if its content made room for others."""
    reference: str
    """The identifier by which the vendor's responses name it."""
    order_key: str
    """What it changes."""
    created_at: int
    """When it was accepted, in Unix seconds as the clock had it."""
    attempts: int
    """How often it was sent."""
    outcome: Outcome
    """Its stored outcome."""
    account: Account | None
    """The account to which it belongs; None if its description was lost with a damaged database."""
    is_others: bool
    """Whether that is not the account of the settings: then it is held while it waits."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Its endpoint; None if this version knows none with a relay policy."""
        try:
            endpoint = CATALOGUE.get("cloud", self.path)
        except NotFound:
            return None
        return endpoint if endpoint.relay is not None else None

    @property
    def queued_endpoint(self) -> Endpoint:
        """Its endpoint. Raises `Conflict` if this version knows none any more."""
        endpoint = self.endpoint
        if endpoint is None:
            raise Conflict(
                message(
                    "item {sequence} cannot be sent: this version of the gateway queues no calls of "
                    "{path!r}; drop it, or hand it over as a new call",
                    sequence=self.sequence,
                    path=self.path,
                )
            )
        return endpoint

    @property
    def account_name(self) -> str:
        """Which account it belongs to."""
        return str(self.account or UNKNOWN_ACCOUNT)

    @property
    def item_outcome(self) -> ItemOutcome:
        """Its part in the response to its submission."""
        return ItemOutcome(self.reference, self.outcome)

    @property
    def parameters(self) -> dict[str, Any] | None:
        """The parameters of a call with this item alone; None if its content is gone or cannot be read."""
        endpoint = self.endpoint
        if self.text is None or endpoint is None:
            return None
        try:
            shared = endpoint.add_defaults(json_text.loads(self.shared), self.account.shop if self.account else {})
            return build_parameters(endpoint, shared, self.text)
        except (ValueError, TypeError, AttributeError):
            return None

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {
            "outbox_id": str(self.sequence),
            "path": self.path,
            "state": self.state,
            "sequence": self.sequence,
            "reference": self.reference,
            "created_at": utc_text(self.created_at),
            "attempts": self.attempts,
            "held_for": self.account_name if self.is_others and self.state == "waiting" else None,
            "parameters": self.parameters,
            "vendor_code": self.outcome.code,
            "vendor_meaning": self.outcome.meaning or None,
            "vendor_answer": _rebuild(self.endpoint, [self]) if self.state in ("delivered", "refused") else None,
        }


def describe_submission(submission: int, items: Sequence[OutboxItem]) -> dict[str, Any]:
    """Return a submission of several items as the REST API shows it."""
    state = aggregate_states([item.state for item in items])
    first = items[0]
    finished = state in ("delivered", "refused")
    outcome = next((item.outcome for item in items if item.state == state == "refused"), first.outcome)
    return {
        "outbox_id": f"s{submission}",
        "path": first.path,
        "state": state,
        "sequence": submission,
        "created_at": utc_text(first.created_at),
        "attempts": max(item.attempts for item in items),
        "parameters": _join_parameters(items),
        "vendor_code": outcome.code if finished else None,
        "vendor_meaning": (outcome.meaning or None) if finished else None,
        "vendor_answer": _rebuild(first.endpoint, items) if finished else None,
        "items": [item.describe() for item in items],
    }


def _join_parameters(items: Sequence[OutboxItem]) -> dict[str, Any] | None:
    """Return the parameters of the whole call, as far as they are there."""
    readable = [found for item in items if (found := item.parameters) is not None]
    endpoint = items[0].endpoint
    if not readable or endpoint is None or endpoint.relay is None:
        return None
    list_parameter = endpoint.relay.list_parameter
    return {**readable[0], list_parameter: [element for one in readable for element in one[list_parameter]]}


def _rebuild(endpoint: Endpoint | None, items: Sequence[OutboxItem]) -> Any:
    if endpoint is None or endpoint.relay is None:
        return None
    try:
        return json_text.loads(rebuild_response(endpoint.relay, [item.item_outcome for item in items]))
    except ValueError:
        return None
