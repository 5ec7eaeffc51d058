"""Responses about calls that wait for the cloud."""

from typing import Any, Literal

from pydantic import Field, RootModel
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, Time
from gateway.outbox import model

ItemState = TypeAliasType("ItemState", model.State)


class LeftItemDocument(Document):
    """An item with which nothing could be done."""

    outbox_id: str = Field(description="The item.", examples=["1042"])
    reason: str = Field(description="Why not, for people.")


class OutboxItemDocument(Document):
    """An item of the outbox: what is sent, retried and refused by itself."""

    outbox_id: str = Field(description="Its name in the outbox.", examples=["1042"])
    path: str = Field(description="The endpoint of the cloud for which it was accepted.", examples=["order/update"])
    state: ItemState = Field(
        description="`waiting` and `sending` are not final. `superseded`: a newer one was sent in its place; "
        "`expired`: it "
        "waited for so long that it has no worth any more, or a person dropped it; `refused`: by the cloud."
    )
    sequence: int = Field(description="Its number. Items are accepted in the order of their numbers.", examples=[1042])
    reference: str = Field(
        description="The identifier by which the cloud's responses name it, such as an order number.",
        examples=["CN0000938"],
    )
    created_at: Time = Field(description="When it was accepted.")
    attempts: int = Field(description="How often it was sent.", examples=[1])
    held_for: str | None = Field(
        description="The account for which it waits, if that is not the one of the settings: then it is not sent. Else "
        "null."
    )
    parameters: dict[str, Any] | None = Field(
        description="The parameters of a call with this item alone; null if its content is not kept any more.",
        examples=[{"order_list": [{"order_no": "CN0000938", "order_type": 1, "received_amount": 12.80}]}],
    )
    vendor_code: int | None = Field(description="The vendor's code; null without a response.", examples=[0])
    vendor_meaning: str | None = Field(description="What the code means, for people; null if there is nothing to say.")
    vendor_answer: Any = Field(
        description="The vendor's response as far as it concerns this item; null until it is delivered or refused."
    )
    left: int | None = Field(
        default=None, description="With how many items nothing could be done; only in the response to a retry."
    )
    left_items: list[LeftItemDocument] | None = Field(
        default=None, description="The first 100 of them; only in the response to a retry."
    )


class SubmissionDocument(Document):
    """A call that was split into items, and what became of it."""

    outbox_id: str = Field(description="Its name in the outbox: `s` and a number.", examples=["s1042"])
    path: str = Field(description="The endpoint of the cloud for which it was accepted.", examples=["order/update"])
    state: ItemState = Field(description="The state of all its items together: `refused` only if all of them are.")
    sequence: int = Field(description="Its number.", examples=[1042])
    created_at: Time = Field(description="When it was accepted.")
    attempts: int = Field(description="How often the item was sent that was sent most often.", examples=[1])
    parameters: dict[str, Any] | None = Field(
        description="The parameters of the whole call, as far as its content is kept; else null."
    )
    vendor_code: int | None = Field(description="The vendor's code; null until all is delivered or refused.")
    vendor_meaning: str | None = Field(description="What the code means, for people; null if there is nothing to say.")
    vendor_answer: Any = Field(
        description="The response in the vendor's shape, rebuilt from all items; null until all is delivered or "
        "refused."
    )
    items: list[OutboxItemDocument] = Field(description="Its items, in the order of the call.")
    left: int | None = Field(
        default=None, description="With how many items nothing could be done; only in the response to a retry."
    )
    left_items: list[LeftItemDocument] | None = Field(
        default=None, description="The first 100 of them; only in the response to a retry."
    )


class OutboxEntryDocument(RootModel[OutboxItemDocument | SubmissionDocument]):
    """What an `outbox_id` names: an item, or with an `s` in front a submission, which has `items`."""


class OutboxPageDocument(Document):
    """A page of items, in the order of acceptance."""

    items: list[OutboxItemDocument] = Field(description="The items.")
    next: str | None = Field(
        description="The `after` of the next page; null if this is the last one.", examples=["1092"]
    )


class AcceptedCallDocument(Document):
    """A call that is kept and will be sent."""

    outbox_id: str = Field(
        description="Its name in the outbox; that of several items begins with `s`.", examples=["1042"]
    )
    state: Literal["waiting", "sending", "superseded"] = Field(
        description="superseded: a newer call has taken its place already."
    )


class RetriedItemsDocument(Document):
    """What a retry of many items did."""

    retried: int = Field(description="How many items are sent again.", examples=[12])
    left: int = Field(description="How many items cannot be sent again.", examples=[0])
    left_items: list[LeftItemDocument] = Field(description="The first 100 of them.")


class DroppedItemsDocument(Document):
    """What dropping many items did."""

    dropped: int = Field(description="How many items were removed.", examples=[12])
    left: int = Field(description="How many items could not be removed.", examples=[0])
    left_items: list[LeftItemDocument] = Field(description="The first 100 of them.")


class ReleasedItemsDocument(Document):
    """What was released."""

    released: int = Field(description="How many items are sent from now on.", examples=[12])
    outdated: int | None = Field(
        default=None,
        description="How many items stay behind, since a newer version of the same thing was delivered for the current "
        "account or is being sent; only with `to_current`.",
        examples=[0],
    )
