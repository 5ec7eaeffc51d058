"""Responses about events: pages, tickets, webhooks and subscriptions. Events have a module of their own."""

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, SerialNumber, Time
from gateway.events import subscription

WebhookState = TypeAliasType("WebhookState", Literal["ok", "failing"])


class EventTicketDocument(Document):
    """A ticket with which a browser's EventSource may read the events."""

    ticket: str = Field(description="The ticket.")
    valid_s: int = Field(
        description="For how long it can be used, in seconds of the gateway's uptime.", examples=[43200]
    )
    url: str = Field(description="The path with the ticket.", examples=["/api/v1/events?ticket=…"])


class ErasedEventsDocument(Document):
    """What was erased."""

    events: int = Field(description="From how many events.", examples=[7])


class WebhookDocument(Document):
    """A till that events are sent to, and how that goes."""

    webhook_id: str = Field(description="Its id.", examples=["9f86d081"])
    name: str = Field(description="What people call it.", examples=["Till 1"])
    url: str = Field(description="Where events are sent.", examples=["http://192.168.1.20:8000/events"])
    types: list[str] = Field(description="The types that it gets; empty for all.", examples=[["face.seen", "camera.*"]])
    camera: SerialNumber | None = Field(description="The only camera whose events it gets; null for all events.")
    created_at: Time = Field(description="When it was added.")
    state: WebhookState = Field(description="`failing` from a failed attempt until an event arrives.")
    behind: int = Field(description="How many events it has not got yet, whatever their type.", examples=[0])
    delivered: int = Field(description="How many events arrived since the gateway started.", examples=[120])
    left_out: int = Field(description="How many events it rejected since the gateway started.", examples=[0])
    last_delivered_at: Time | None = Field(
        description="When an event arrived last; null if none did since the gateway started."
    )
    last_error: str | None = Field(description="Why the last attempt failed; null if it did not.")
    next_try_in_s: float | None = Field(
        description="In how many seconds the next attempt is made; null unless the last one failed.", examples=[4.2]
    )


class CreatedWebhookDocument(WebhookDocument):
    """A new webhook, with its secret, which is shown this once."""

    secret: str = Field(
        description="By this the till checks signatures, as the Standard Webhooks specification says.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class WebhookListDocument(Document):
    """All webhooks, the oldest first."""

    webhooks: list[WebhookDocument] = Field(description="The webhooks.")


class WebhookTestResultDocument(Document):
    """What became of a test event."""

    delivered: bool = Field(description="Whether it arrived.")
    status: int | None = Field(description="The till's HTTP status; null if it did not respond.", examples=[200])
    error: str | None = Field(description="Why it did not arrive; null if it did.")
    duration_ms: int = Field(description="How long it took, in milliseconds.", examples=[12])


class SubscriptionDocument(Document):
    """How the gateway's subscription to the events of the cloud or of a camera stands."""

    target: str = Field(description="`cloud`, or the serial number of a camera.", examples=["cloud"])
    state: subscription.State = Field(
        description="`failing`: it is tried again; `unsupported`: by the camera's firmware; `ended`: by a person; "
        "`off`: "
        "`last_error` names the setting."
    )
    callback: str | None = Field(
        description="The address that was given to it; null if none was.",
        examples=["http://192.168.1.10/hooks/cameras/FM1"],
    )
    events: list[int | str] = Field(
        description="What it reports: numbers of the cloud's events, names of a camera's.", examples=[[1010, 2001]]
    )
    refused: dict[str, str] = Field(description="Which events it does not report, with what the vendor says of each.")
    since: Time | None = Field(description="Since when it is subscribed; null if it is not.")
    last_error: str | None = Field(description="Why the last call failed; null if it did not.")
    next_try_in_s: int | None = Field(
        description="In how many seconds it is called again; null if it is not called by itself.", examples=[86000]
    )


class SubscriptionListDocument(Document):
    """Every subscription of the gateway at the vendor."""

    hooks: list[SubscriptionDocument] = Field(description="The subscriptions.")


class CallbackReceiptDocument(Document):
    """What the vendor's side gets for a callback: it is stored."""

    code: Literal[0] = Field(description="0: it is stored.")
    msg: str = Field(description="`succeed`.", examples=["succeed"])
    data: dict[str, Any] = Field(description="Empty.")
