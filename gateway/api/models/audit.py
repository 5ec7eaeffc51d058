"""Responses about the audit log."""

from typing import Literal

from pydantic import Field

from gateway.api.models.document import Document, Time


class ChangeDocument(Document):
    """A change that somebody made through the gateway."""

    number: int = Field(description="Its place in the log.", examples=[17])
    time: Time = Field(description="When it was made.")
    who: str = Field(
        description="The name of the token or session; `local` for a command on the gateway itself.",
        examples=["phone of Li"],
    )
    via: Literal["console", "api", "local", "head_office"] = Field(description="How it was made.")
    action: str = Field(description="What was done, in words.", examples=["Make a camera managed"])
    object: str = Field(
        description="To what: a serial number, a name; empty if `action` says it all.", examples=["FM020A2300001"]
    )


class ChangeListDocument(Document):
    """Who changed what, the newest first."""

    changes: list[ChangeDocument] = Field(description="The changes.")
    next: int | None = Field(description="`before` of the next page; null at the end.", examples=[None])
