"""Declarations that the chapters on labels, access points, templates and products share."""

from collections.abc import Mapping
from typing import Final

from gateway.protocol.parameters import Parameter

LABEL_CODES: Final[Mapping[int, str]] = {5000: "database error", 5041: "invalid SaaS provider"}
"""Codes that nearly every endpoint of these chapters lists (NOTES: Shelf labels)."""

PRODUCT_ID: Final = Parameter(name="product_id", type="string", required=True, description="The product.", example="1")
TEMPLATE_ID: Final = Parameter(
    name="template_id", type="string", required=True, description="The template.", example="10002"
)
ESL_ID: Final = Parameter(
    name="esl_id",
    type="string",
    required=True,
    description="The label's identifier, as device/esl/bind returned it.",
    example="129200",
)


def _identifier(name: str, description: str, *, length: int | None = None) -> Parameter:
    return Parameter(
        name=name, type="string", one_of="label", min_length=length, max_length=length, description=description
    )


_ESL_CODE = _identifier("esl_code", "The label's identifier of eight characters, printed on it.", length=8)

LABEL_BY_CODE_OR_SN: Final = (_ESL_CODE, _identifier("esl_sn", "The label's serial number."))
LABEL_BY_CODE_OR_ID: Final = (
    _ESL_CODE,
    _identifier("esl_id", "The label's identifier, as device/esl/bind returned it."),
)
LABEL_IDENTIFIER_NOTE: Final = "The table has esl_code and esl_id, although the remark beside them asks for esl_sn."

LABEL_STATUS_DESCRIPTION: Final = "0 not activated, 1 not bound, 2 waiting for data, 3 pushed, 4 push failed."
