"""The shop of a query of customer flow."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.cloud.customer_flow.endpoints import TODAY_LATEST
from gateway.errors import FieldError, InvalidRequest

_MAX_KEY_LENGTH: Final = 64


class Shop(NamedTuple):
    """A shop, as a parameter of a call."""

    name: str
    """The parameter: `shop_id` or `sunmi_shop_no`."""
    value: str
    """Its value."""

    @property
    def key(self) -> str:
        """The key of its responses in the cache."""
        return f"{self.name}={self.value}"

    def describe(self) -> dict[str, str | None]:
        """Return both parameters as JSON, with null for the other one."""
        return {"shop_id": None, "sunmi_shop_no": None, self.name: self.value}


def choose_shop(given: Mapping[str, str], defaults: Mapping[str, str]) -> Shop:
    """Return the shop that a caller names, else that of the settings. Raises `InvalidRequest`."""
    given = {name: value for name, value in given.items() if value}
    field_errors = [
        FieldError(name, message("must have at most {max_key_length} characters", max_key_length=_MAX_KEY_LENGTH))
        for name, value in given.items()
        if len(value) > _MAX_KEY_LENGTH
    ]
    if len(given) > 1:
        field_errors.append(FieldError("sunmi_shop_no", message("replaces shop_id: give one of them")))
    if field_errors:
        raise InvalidRequest(field_errors)
    [(name, value)] = TODAY_LATEST.encode(given, defaults=defaults).fields.items()
    return Shop(name, value)
