"""Settings of the link to the head office of a chain."""

import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from firmware_tools.language import message
from gateway.protocol.host_name import parse_host_and_port

CommandName = Literal[
    "doctor",
    "support_bundle",
    "discover",
    "camera_call",
    "site_plan",
    "outbox_retry",
    "outbox_release",
    "token_revoke",
    "update",
]
"""The names of the commands that the head office can give; `gateway/fleet/commands.py` declares what they are."""

SHOP_NAME: Final = r"[A-Za-z0-9_-]{1,64}"
"""What the name of a shop or of a group may be: one part of a subject."""


class FleetSettings(BaseModel):
    """Where the head office's NATS servers are, and how this shop proves to them which one it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: list[str] = Field(default=[], examples=[["office.example:4222"]])
    shop: str = ""
    ca_file: str = ""
    certificate: str = ""
    private_key: str = ""
    user_jwt: str = ""
    people: bool = False
    may: list[CommandName] = ["doctor", "support_bundle", "discover"]

    @field_validator("servers")
    @classmethod
    def _check_servers(cls, value: list[str]) -> list[str]:
        for server in value:
            parse_host_and_port(server)
        return value

    @field_validator("shop")
    @classmethod
    def _check_shop(cls, value: str) -> str:
        if value and not re.fullmatch(SHOP_NAME, value):
            raise ValueError(
                message("must have 1 to 64 letters, digits, - or _: it is a part of the names of this shop's messages")
            )
        return value

    @model_validator(mode="after")
    def _check_complete(self) -> "FleetSettings":
        if self.servers and not all((self.shop, self.ca_file, self.certificate, self.private_key, self.user_jwt)):
            raise ValueError(
                message(
                    "servers needs shop, ca_file, certificate, private_key and user_jwt: `sunmi-gateway fleet join "
                    "CODE` writes all of them, with a join code of the head office"
                )
            )
        return self
