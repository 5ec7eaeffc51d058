"""Declarations that the endpoints of the cloud share: shop keys, pages, return codes, the largest request."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter

MAX_REQUEST_BYTES: Final = 1024 * 1024
"""Largest request that the cloud accepts (NOTES: Request size)."""

MAX_BATCH_SIZE: Final = 4000
"""Largest number of orders or products in one batch of the outbox. The vendor limits only the size of a request, which
items of the usual 300 bytes or more reach first."""

SHOP_PARAMETERS: Final = (
    Parameter(
        name="shop_id",
        type="string",
        required=True,
        description="The shop. Filled in from the settings where a call names none.",
        example="10096",
    ),
    Parameter(
        name="sunmi_shop_no",
        type="string",
        replaces="shop_id",
        # (NOTES: Shop keys)
        description="The platform's newer key of the shop, instead of shop_id.",
    ),
)

IPC_ID: Final = Parameter(
    name="ipc_id",
    type="string",
    required=True,
    description="The camera's identifier in the cloud; device/ipc/getList tells it.",
    example="549755805878",
)

STORE_CODES: Final[Mapping[int, str]] = {
    5000: "database error",
    5013: "no data found",
    5041: "no shop_id parameter found in the request",
}
"""Codes that nearly every endpoint of the Cloud API chapter lists."""

GENERAL_CODES_NOTE: Final = "Lists no codes of its own; those of the general error list are shown."


def page_parameters(
    *, defaults: bool = True, max_size: int | None = None, remark: str = ""
) -> tuple[Parameter, Parameter]:
    """Declare the two parameters that select a page. The vendor states defaults for some lists only."""
    return (
        Parameter(
            name="page_num",
            type="int",
            min=1,
            default=1 if defaults else None,
            description=f"The page, counted from 1.{remark}",
        ),
        Parameter(
            name="page_size",
            type="int",
            min=1,
            max=max_size,
            default=10 if defaults else None,
            description=f"How many entries a page has.{remark}",
        ),
    )


def cloud_endpoint(**declared: Any) -> Endpoint:
    """Declare a cloud endpoint. Files have a limit of their own beside that of the form."""
    return Endpoint(side="cloud", max_bytes=MAX_REQUEST_BYTES, **declared)
