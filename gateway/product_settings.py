"""Settings of the shop's products."""

import ipaddress
import re
from datetime import tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from firmware_tools.language import message

_PATH: Final = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,8}")
_OWN_PATHS: Final = ("/api/v1/", "/authority/", "/console/", "/docs/", "/hooks/")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
_MIN_PREFIXES: Final = {4: 16, 6: 32}
"""The shortest prefix of a network by IP version: a larger one is nearly everybody."""


class ProductSettings(BaseModel):
    """The zone of the shop's times, the folder of its lists, and how the vendor's cloud fetches its products."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: str = ""
    watch: str = ""
    vendor_path: str = "/saas/getProductList"
    vendor_addresses: list[str] = Field(default=[], examples=[["192.168.1.0/24"]])
    vendor_token: str = Field(default="", repr=False)

    @field_validator("timezone")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key if value else value
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError(message("is no time zone that this machine knows, such as Asia/Shanghai")) from None

    @property
    def zone(self) -> tzinfo | None:
        """The zone of times that name none; None if there is none."""
        return ZoneInfo(self.timezone) if self.timezone else None

    @field_validator("watch")
    @classmethod
    def _check_folder(cls, value: str) -> str:
        if value and not Path(value).is_absolute():
            raise ValueError(message("must be the whole path of a folder, such as /srv/products"))
        return value

    @field_validator("vendor_path")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if value and (not _PATH.fullmatch(value) or f"{value}/".startswith(_OWN_PATHS)):
            raise ValueError(
                message(
                    "must be a path such as /saas/getProductList, of two or more parts, and none of the gateway's own"
                )
            )
        return value

    @field_validator("vendor_addresses")
    @classmethod
    def _check_addresses(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                network = ipaddress.ip_network(text)
            except ValueError:
                reason = message(
                    "{text!r} is neither an IP address nor a network such as 203.0.113.0/24 of which only the first "
                    "bits are set",
                    text=text,
                )
                raise ValueError(reason) from None
            if network.prefixlen < _MIN_PREFIXES[network.version]:
                reason = message(
                    "{text!r} would let nearly everybody read the products; name the vendor's addresses", text=text
                )
                raise ValueError(reason)
        return value

    @field_validator("vendor_token")
    @classmethod
    def _check_token(cls, value: str) -> str:
        if value and not _TOKEN.fullmatch(value):
            raise ValueError(message("must have 16 to 128 letters, digits, - or _, so that nobody guesses it"))
        return value

    def allows_address(self, address: str) -> bool:
        """Tell whether the vendor may call from an address, as far as the settings name any."""
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address):
            peer = peer.ipv4_mapped or peer
        return any(peer in ipaddress.ip_network(text) for text in self.vendor_addresses)
