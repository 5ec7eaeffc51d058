"""Responses about shelf labels and their templates."""

from typing import Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, Time
from gateway.labels import label
from gateway.labels.label import LabelDrawer

LabelState = TypeAliasType("LabelState", label.LabelState)


class LabelReportDocument(Document):
    """Something that a person should know about a picture. It is shown all the same."""

    code: str = Field(description="What kind of thing it is.", examples=["text_shortened"])
    box: str = Field(description="The box of the template.", examples=["name"])
    message: str = Field(description="What happened, for people.")


class LabelReadingDocument(Document):
    """What the cloud said of a label. What it did not say is null."""

    status: Literal["not_activated", "not_bound", "waiting_for_data", "pushed", "push_failed"] | None = Field(
        description="The vendor's state of it. It does not say which picture it is about."
    )
    battery: int | None = Field(description="Its charge in percent.", examples=[87])
    rssi: int | None = Field(description="The strength of its radio signal in dBm.", examples=[-61])
    contact_at: Time | None = Field(description="When an access point heard it last.")
    ap_id: str | None = Field(description="The access point that it uses.")
    esl_sn: str | None = Field(description="Its serial number.")
    model_name: str | None = Field(description="Its model, as the cloud says it.", examples=["SL121"])
    read_at: Time | None = Field(description="When the cloud said so.")


class LabelDocument(Document):
    """A shelf label: what it is to show, and whether it does."""

    esl: str = Field(
        description="What a person called it first: its printed code, or the cloud's id.", examples=["SKDI39DN"]
    )
    esl_id: str | None = Field(description="The cloud's id; null before the cloud was asked.", examples=["129200"])
    esl_code: str | None = Field(description="The printed code; null as long as it is not known.")
    model: str | None = Field(description="Its model; null as long as it is not known.", examples=["SL121"])
    drawn_by: LabelDrawer = Field(
        description="`vendor` if a template at the vendor's site draws it, and the gateway stays away."
    )
    product_id: str | None = Field(
        description="The product that it shows; null if it shows a picture, or the vendor draws it.",
        examples=["000417"],
    )
    product_name: str | None = Field(description="The product's name; null if no list has the product.")
    price: str | None = Field(
        description="The product's price as it is wanted now, as a decimal number; null if it has none.",
        examples=["3.20"],
    )
    template: str | None = Field(description="The template; null without a product.", examples=["price"])
    state: LabelState = Field(
        description="`waiting` for its picture, or for the outbox; `sent` while the outbox has the picture, `pushed` "
        "once the cloud has it, `shown` once the label has it; `retrying` after the label did not take it; `failed` "
        "until somebody changes something; `vendor` where the gateway stays away."
    )
    problem: str = Field(
        description="Why it does not show what it should, for people; empty if nothing is known to be wrong."
    )
    reports: list[LabelReportDocument] = Field(description="What a person should know about its picture.")
    picture_hash: str | None = Field(
        description="Of the pixels of its newest picture; null before the first. What looks the same has the same hash."
    )
    outbox_id: str | None = Field(
        description="The outbox item that carries the picture; null if there is none.", examples=["1042"]
    )
    changed_at: Time = Field(description="When a person said last what it shows.")
    pushed_at: Time | None = Field(description="When the cloud took a picture for it last.")
    shown_at: Time | None = Field(description="When it confirmed a picture last.")
    valid_until: Time | None = Field(description="When a price of the picture ends; null for never.")
    reading: LabelReadingDocument | None = Field(
        description="What the cloud said of it last; null before the first time."
    )


class LabelCountsDocument(Document):
    """How many labels are in each state."""

    waiting: int = Field(description="Labels that wait for a picture, or for the outbox.")
    sent: int = Field(description="Labels whose picture the outbox has.")
    pushed: int = Field(description="Labels whose picture the cloud has.")
    retrying: int = Field(description="Labels that did not take their picture; it is pushed again.")
    shown: int = Field(description="Labels that show what they should.")
    failed: int = Field(description="Labels that show it only once somebody changes something.")
    vendor: int = Field(description="Labels that the vendor's own templates draw.")


class LabelPageDocument(Document):
    """A page of labels."""

    labels: list[LabelDocument] = Field(description="The labels, in the order in which they were first named.")
    next: int | None = Field(description="`after` of the next page; null on the last.")
    counts: LabelCountsDocument = Field(description="All labels, by state.")


class VerifiedLabelsDocument(Document):
    """How many labels are asked whether they are right."""

    labels: int = Field(description="How many. Those that are about to get a picture are asked anyway.")


class LabelTemplateDocument(Document):
    """A template by which labels are drawn."""

    name: str = Field(description="Its name.", examples=["price"])
    title: str = Field(description="What people call it.", examples=["Price"])
    title_zh: str = Field(description="The same in Chinese.", examples=["价格"])
    models: list[str] = Field(description="The models of labels that it fits.", examples=[["SL121", "SL142"]])
    included: bool = Field(description="Whether it comes with the gateway, and the shop did not replace it.")
    labels: int = Field(description="How many labels are drawn by it.")


class LabelTemplateFaultDocument(Document):
    """A fault of a template's file, which is not used therefore."""

    parameter: str = Field(description="The file, and the box and key in it.", examples=["shelf.toml: name.size"])
    reason: str = Field(description="What is wrong, for people.")


class LabelTemplatesDocument(Document):
    """All templates."""

    templates: list[LabelTemplateDocument] = Field(description="The templates, by name.")
    faults: list[LabelTemplateFaultDocument] = Field(description="What is wrong with files that are none.")
