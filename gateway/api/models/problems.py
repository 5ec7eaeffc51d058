"""The document of a problem, with the codes of the error tree."""

import inspect
from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, Fingerprint
from gateway.errors import list_problem_types

_CODES: Final = list_problem_types()


def _describe_codes() -> str:
    lines = [f"- `{one.code}` ({one.status}): {inspect.getdoc(one)} {one.advice}" for one in _CODES]
    return "\n".join(["What kind of failure it is, for programs. A later version may have more.", "", *lines])


ProblemCode = TypeAliasType(
    "ProblemCode",
    Annotated[
        str,
        WithJsonSchema({"type": "string", "enum": [one.code for one in _CODES], "description": _describe_codes()}),
    ],
)


class FieldErrorDocument(Document):
    """What is wrong with one parameter of a request."""

    parameter: str = Field(description="The parameter, or the place inside it.", examples=["order_list[0].order_no"])
    reason: str = Field(description="What is wrong, for people.", examples=["must have at most 64 characters"])


class ProblemDocument(Document):
    """A failure (RFC 9457). `code` is for programs, `detail` for people."""

    type: str = Field(
        description="The place on the page `/docs/problems` that says what `code` means and what to do.",
        examples=["/docs/problems#not_managed"],
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(
        description="What kind of failure it is, in a few words.", examples=["The camera is not managed"]
    )
    status: int = Field(description="The HTTP status.", examples=[409])
    detail: str = Field(description="What happened to what, and what to do, in one sentence without secrets.")
    code: ProblemCode = Field(description="The kind of failure.", examples=["not_managed"])
    request_id: str | None = Field(default=None, description="Names the request in the gateway's log.")
    errors: list[FieldErrorDocument] | None = Field(
        default=None, description="Everything that is wrong with the request; only with `invalid_request`."
    )
    outbox_id: str | None = Field(
        default=None, description="The queued call that failed, as the outbox names it.", examples=["1042"]
    )
    digest: str | None = Field(
        default=None,
        description="Stands for the large change of a list of products that was refused: as `confirm` it has exactly "
        "that taken; only with `conflict`.",
    )
    vendor_code: int | None = Field(
        default=None, description="The vendor's code; only with `vendor_refused`.", examples=[5041]
    )
    vendor_meaning: str | None = Field(
        default=None, description="What the vendor's code means for this endpoint; only with `vendor_refused`."
    )
    vendor_answer: Any = Field(default=None, description="The vendor's whole response; only with `vendor_refused`.")
    certificate_sha256: Fingerprint | None = Field(
        default=None,
        description="The certificate that the camera shows now, for a person to compare; with `camera_untrusted`, "
        "unless "
        "that has another reason.",
    )
