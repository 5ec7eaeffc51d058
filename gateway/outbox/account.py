"""The account at the cloud to which items belong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from gateway.protocol.endpoint import Call

SHOP_PARAMETERS: Final = ("shop_id", "sunmi_shop_no")
UNKNOWN_ACCOUNT: Final = "an account whose description was lost"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose calls go to the cloud, and for which shop."""

    base_url: str
    """The base of every cloud endpoint."""
    app_id: str
    """The application's key."""
    shop_id: str
    """The shop; empty where only the newer key is known, or every call names its own."""
    sunmi_shop_no: str
    """The platform's newer key of the shop, likewise."""

    def __str__(self) -> str:
        shop = self.sunmi_shop_no or self.shop_id
        return f"app_id {self.app_id}{f', shop {shop}' if shop else ''} at {self.base_url}"

    @property
    def shop(self) -> Mapping[str, str]:
        """The shop's keys, by parameter: what is filled into calls that name no other shop."""
        return {"shop_id": self.shop_id, "sunmi_shop_no": self.sunmi_shop_no}

    def find_same(self, others: Sequence["Account"]) -> "Account | None":
        """Return the one of several descriptions that is of this account, if that is certain enough.

        A shop has two keys, so one that is known by `shop_id` may be named by `sunmi_shop_no` alone later. Where that
        fits several, none is returned: calls of one shop must not go to another.
        """
        fitting = [other for other in others if self.has_same_application(other) and not self._names_other_shop(other)]
        sharing = [other for other in fitting if self._shares_key(other)]
        if sharing:
            return sharing[0]
        return fitting[0] if len(fitting) == 1 else None

    def has_same_application(self, other: "Account") -> bool:
        """Tell whether only the shop may differ."""
        return (self.base_url, self.app_id) == (other.base_url, other.app_id)

    def _names_other_shop(self, other: "Account") -> bool:
        return any(own and key and own != key for own, key in self._pair_keys(other))

    def _shares_key(self, other: "Account") -> bool:
        pairs = self._pair_keys(other)
        return any(own and own == key for own, key in pairs) or not any(map(any, pairs))

    def _pair_keys(self, other: "Account") -> list[tuple[str, str]]:
        return [(self.shop[name], other.shop[name]) for name in SHOP_PARAMETERS]

    def merged_with(self, older: "Account") -> "Account":
        """Return this account, with the keys of the shop that only an older description of it states."""
        return Account(
            self.base_url, self.app_id, self.shop_id or older.shop_id, self.sunmi_shop_no or older.sunmi_shop_no
        )

    def without_shop(self, call: Call) -> Call:
        """Return a call without its shop if that is the account's own: it is filled in when the call is sent."""
        own = [name for name, value in self.shop.items() if name in call.fields and call.fields[name] == value]
        if not own:
            return call
        fields = {name: value for name, value in call.fields.items() if name not in own}
        return Call(call.endpoint, fields, call.files)

    def describe(self) -> dict[str, str]:
        """Return it as the REST API shows it."""
        return asdict(self)
