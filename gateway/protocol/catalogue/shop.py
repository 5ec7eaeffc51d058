"""What the cloud's endpoints have in common: the shop they speak of, and the limit on a request."""

from typing import Any, Final

from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter

MAX_BODY_BYTES: Final = 1024 * 1024
"""The cloud refuses a larger request (seed 000, Cloud API, 2.1: "1M")."""

SHOP: Final = (
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
        description="The platform's newer key of the shop, instead of shop_id (notes, section 10).",
    ),
)


def cloud_endpoint(**declared: Any) -> Endpoint:
    """Declare a cloud endpoint; one that takes a file is bounded by the file's own limit instead of the body's."""
    takes_file = any(parameter.type == "file" for parameter in declared.get("parameters", ()))
    return Endpoint(side="cloud", max_bytes=None if takes_file else MAX_BODY_BYTES, **declared)
