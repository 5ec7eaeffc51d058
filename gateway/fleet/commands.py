"""The commands that the head office can give to a shop, each declared once.

A command's name is its word in `fleet.may`, too. Head office and shop take their arguments from here. What they do
stands in `gateway/api/fleet_actions.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from firmware_tools.language import Message, message
from gateway.fleet_settings import CommandName
from gateway.settings import Method

MAX_REQUEST_BYTES: Final = 256 * 1024
"""The longest request that a shop reads: a site plan of 500 cameras has half of it."""
MAX_ARGUMENTS_BYTES: Final = MAX_REQUEST_BYTES - 1024
"""The longest arguments, beside which a request has all that it needs."""


class CommandArguments(BaseModel):
    """The arguments of a command. Others are refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @property
    def subject(self) -> str:
        """What the command is about, for the audit log; empty if that goes without saying."""
        return ""


class DoctorArguments(CommandArguments):
    """Run every check of the doctor."""


class SupportBundleArguments(CommandArguments):
    """Make a support bundle."""


class DiscoverArguments(CommandArguments):
    """Look for cameras."""

    timeout_s: float = Field(default=3.0, gt=0, le=60, description="How long the scan lasts, in seconds.")
    methods: list[Method] | None = Field(default=None, min_length=1, description="Only these methods.")


class CameraCallArguments(CommandArguments):
    """Call an endpoint of a camera."""

    sn: str = Field(min_length=1, max_length=64, description="The serial number of a managed camera.")
    endpoint: str = Field(
        pattern=r"^[A-Za-z]{1,32}/[A-Za-z0-9]{1,64}$", description="As `device/getInfo`, as the catalogue names it."
    )
    parameters: dict[str, Any] = Field(default={}, description="The private parameters of the endpoint.")

    @property
    def subject(self) -> str:
        """The camera and the endpoint."""
        return f"{self.sn} {self.endpoint}"


class SitePlanArguments(CommandArguments):
    """Keep a site plan and run it."""

    plan: dict[str, Any] | None = Field(
        default=None, description="As `PUT /api/v1/site-plan` takes it; left out: the plan that the shop has."
    )
    confirm_erase: int | None = Field(default=None, description="How many cameras lose their face groups.")
    confirm_offline: bool | None = Field(
        default=None, description="Whether the gateway may leave the shop's network to join hotspots of cameras."
    )
    only: Literal["failed"] | None = Field(
        default=None, description="`failed`: only cameras that are not done, and only their steps that are not."
    )


class OutboxRetryArguments(CommandArguments):
    """Send refused and expired calls again."""

    state: Literal["refused", "expired"] | None = Field(default=None, description="Only items in this state.")
    path: str | None = Field(default=None, max_length=200, description="Only items of this endpoint.")
    code: int | None = Field(default=None, description="Only items with this code of the vendor.")
    all: bool = Field(default=False, description="Must be true if nothing else is given.")


class OutboxReleaseArguments(CommandArguments):
    """Send what the outbox holds back."""

    to_current: bool = Field(
        default=False,
        description="Whether calls that wait for another account go to the account of the settings, too.",
    )


class TokenRevokeArguments(CommandArguments):
    """Revoke a token."""

    name: str = Field(min_length=1, max_length=64, description="The name of the token.")

    @property
    def subject(self) -> str:
        """The token's name."""
        return self.name


class UpdateArguments(CommandArguments):
    """Look now which version the head office wants, and begin to install it."""


@dataclass(frozen=True, slots=True)
class FleetCommand:
    """A command of the head office."""

    title: str
    """What it does, in English words, as the audit log says it."""
    arguments: type[CommandArguments]
    """Its arguments."""
    timeout_s: float
    """How long it may take in the shop, in seconds."""


COMMANDS: Final[Mapping[CommandName, FleetCommand]] = {
    "doctor": FleetCommand(message("Find out why something does not work"), DoctorArguments, 90),
    "support_bundle": FleetCommand(message("Make a support bundle"), SupportBundleArguments, 180),
    "discover": FleetCommand(message("Look for cameras"), DiscoverArguments, 90),
    "camera_call": FleetCommand(message("Call an endpoint of a camera"), CameraCallArguments, 330),
    "site_plan": FleetCommand(message("Run the site plan"), SitePlanArguments, 120),
    "outbox_retry": FleetCommand(message("Send many refused items again"), OutboxRetryArguments, 120),
    "outbox_release": FleetCommand(message("Send what the outbox holds back"), OutboxReleaseArguments, 120),
    "token_revoke": FleetCommand(message("Revoke a token"), TokenRevokeArguments, 60),
    "update": FleetCommand(message("Begin the update that waits"), UpdateArguments, 60),
}
"""Every command by name."""

CHOICE_TEXTS: Final[Mapping[str, Message]] = {
    "failed": message("those that are not done"),
    "refused": message("refused"),
    "expired": message("too old, not sent"),
}
"""What people call the values that arguments of commands choose from."""


def find_command_name(text: str) -> CommandName | None:
    """Return the name of a command; None if there is no such command."""
    return next((name for name in COMMANDS if name == text), None)
