"""The catalogue of the vendor's endpoints as a response."""

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document
from gateway.api.models.system import Scope
from gateway.protocol import endpoint, parameters, relay_policy

Side = TypeAliasType("Side", endpoint.Side)


class LabelPictureDocument(Document):
    """A picture that one model of shelf label can show."""

    model: str = Field(description="The model of the label.")
    width: int = Field(description="In pixels.", examples=[296])
    height: int = Field(description="In pixels.", examples=[128])
    colours: list[str] = Field(description="The colours that the label shows.", examples=[["black", "white", "red"]])


class ParameterDocument(Document):
    """A parameter of an endpoint, or a member of the objects in a list. What does not apply is left out."""

    name: str = Field(description="The vendor's name.", examples=["order_no"])
    type: parameters.ParameterType = Field(description="The JSON type, or `file`.")
    required: bool = Field(description="Whether the vendor demands it, even where the gateway fills it in.")
    choices: list[int | str] | None = Field(default=None, description="The documented values.")
    choice_meanings: dict[str, str] | None = Field(default=None, description="What each of them means.")
    description: str | None = Field(default=None, description="Meaning and unit.")
    one_of: str | None = Field(default=None, description="A group of which at least one member must be given.")
    replaces: str | None = Field(default=None, description="The required parameter that this one stands in for.")
    min: int | None = Field(default=None, description="The smallest number.")
    max: int | None = Field(default=None, description="The largest number.")
    min_length: int | None = Field(default=None, description="The smallest number of characters.")
    max_length: int | None = Field(default=None, description="The largest number of characters.")
    max_bytes: int | None = Field(default=None, description="The largest size of a file, in bytes.")
    blank: bool | None = Field(default=None, description="Whether an empty text is allowed whatever the lengths say.")
    open: bool | None = Field(default=None, description="Whether other values than the documented ones are accepted.")
    default: Any = Field(default=None, description="What the gateway fills in.")
    secret: bool | None = Field(default=None, description="Whether it is never stored or logged.")
    format: parameters.Format | None = Field(default=None, description="What a text or number stands for.")
    items: str | None = Field(default=None, description="The type of an array's elements.")
    properties: list["ParameterDocument"] | None = Field(
        default=None, description="The members of objects in an array."
    )
    example: Any = Field(default=None, description="A valid value.")
    pictures: list[LabelPictureDocument] | None = Field(default=None, description="The pictures that a file may hold.")


class PeriodLimitDocument(Document):
    """The longest period between two parameters."""

    start: str = Field(description="The parameter that holds the start.", examples=["start_time"])
    end: str = Field(description="The parameter that holds the end.", examples=["end_time"])
    most: int = Field(description="The longest period, in units.", examples=[30])
    unit: Literal["seconds", "hours", "days", "weeks", "months"] = Field(
        description="The unit. With `seconds` the parameters are Unix times, else days."
    )


class ResponseFieldDocument(Document):
    """A field of an endpoint's response."""

    path: str = Field(description="Where it is below `data`; `[]` follows a list.", examples=["ipc_list[].ipc_id"])
    type: endpoint.FieldType = Field(description="Its JSON type.")
    description: str = Field(description="Its meaning and unit; empty where the vendor says nothing.")
    secret: bool = Field(description="Whether only an admin may see it.")


class ReturnCodeDocument(Document):
    """A return code of an endpoint."""

    code: int = Field(description="The code; 0 is success.", examples=[0])
    meaning: str = Field(description="What it means for this endpoint.", examples=["success"])
    inferred: bool = Field(description="Whether no page of the vendor states the meaning.")


class OrderKeyDocument(Document):
    """What a call changes. Calls that change the same thing are sent one after the other."""

    kind: relay_policy.ResourceKind = Field(description="The kind of thing.")
    names: list[str] = Field(
        description="The parameters or members that identify it; none where a list's element itself does.",
        examples=[["order_no"]],
    )


class RelayPolicyDocument(Document):
    """How calls of an endpoint wait in the outbox."""

    queued: Literal[True] = Field(description="That they do.")
    each: str | None = Field(description="The list whose elements are the items; null if the whole call is one.")
    order_key: list[OrderKeyDocument] = Field(description="What an item changes.")
    waiting: Literal["every", "merge", "latest"] = Field(
        description="What is sent of waiting items that change the same thing: every one, one that has the newest "
        "value of "
        "each field, or the latest only."
    )
    barrier: bool = Field(description="Whether nothing is merged or replaced across such an item.")
    priority: int = Field(description="The lowest number is sent first.", examples=[1])
    items_per_call: int = Field(description="How many items go into one call at most.", examples=[100])
    expires_after_s: int | None = Field(
        description="After how many seconds of uptime an item has no worth any more; null for never."
    )


class CatalogueEndpointDocument(Document):
    """An endpoint of the vendor."""

    path: str = Field(
        description="TYPE/ACTION for a camera, the path below /openapi/ for the cloud.", examples=["order/update"]
    )
    side: Side = Field(description="Who serves it.")
    title: str = Field(description="The vendor's heading.")
    auth: endpoint.Auth = Field(
        description="How a call is authorised: signed with the secret key, signed with the activation number, or not "
        "at all."
    )
    availability: endpoint.Availability = Field(
        description="Whether the vendor offers it already; `listed` means that no page describes it."
    )
    parameters: list[ParameterDocument] = Field(description="Its parameters.")
    limits: list[PeriodLimitDocument] = Field(description="Limits on the period between two parameters.")
    answer: list[ResponseFieldDocument] = Field(description="The fields below `data` of a response.")
    return_codes: list[ReturnCodeDocument] = Field(description="The codes that a response may have, 0 first.")
    scope: Scope = Field(description="The scope that a token needs.")
    pos_setting: str | None = Field(
        description="The setting in `[server]` that lets `pos` suffice; null if there is none."
    )
    relay: RelayPolicyDocument | None = Field(
        description="How calls wait in the outbox; null if they are never queued."
    )
    repeatable: bool = Field(
        description="Whether a call may be sent again, with the same effect, if its response was lost."
    )
    timeout_s: float | None = Field(
        description="How many seconds a camera needs, where that is more than usual; else null."
    )
    max_bytes: int | None = Field(description="The largest call, in bytes of a form without files; null if not stated.")
    confidence: endpoint.Confidence = Field(
        description="How far to trust this: explicit in its source, from one seen in part, or a guess with a reason."
    )
    source: str = Field(description="The vendor's page that describes it, and the section there.")
    note: str = Field(description="What a user has to know beside the rest; mostly empty.")


class CatalogueDocument(Document):
    """Every endpoint of the vendor."""

    endpoints: list[CatalogueEndpointDocument] = Field(description="The endpoints.")
