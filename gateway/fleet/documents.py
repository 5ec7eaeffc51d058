"""What a chain's messages hold, as models: read tolerantly, written strictly, and described for others from here."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.fleet.failures import Refusal
from gateway.fleet_settings import SHOP_NAME

Name = Annotated[str, StringConstraints(pattern=f"^{SHOP_NAME}$")]
"""The name of a shop or of a group."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal digits."""

MAX_CONTENT_BYTES: Final = 64 * 1024 * 1024
"""No file from the head office is larger."""
MAX_DOCUMENT_BYTES: Final = 256 * 1024
"""No document of the bucket `desired` is larger. The servers take larger messages."""


class SkippedEvent(BaseModel):
    """An event that the servers do not take. The message that stands for it has its id, time and camera."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="The type of the event.")
    reason: Refusal = Field(description="Why they do not take it.")
    bytes: int = Field(description="The size of its `data`.")


class ReportedCamera(BaseModel):
    """A managed camera of a shop, as in `GET /api/v1/cameras`."""

    model_config = ConfigDict(frozen=True)

    sn: str = Field(description="Its serial number.")
    name: str = Field(description="Its name; empty if it has none.")
    model: str | None = Field(description="Its model; null if it is not known.")
    software_version: str | None = Field(description="The version of its firmware; null if it is not known.")
    address: str | None = Field(description="Its address in the shop, `host:port`; null if none is known.")
    online: bool | None = Field(description="Whether it answers; null if nobody knows since the gateway started.")
    activation: str = Field(description="Whose it is.")


class ReportedOutbox(BaseModel):
    """The calls of a shop that wait for the cloud."""

    model_config = ConfigDict(frozen=True)

    depth: int = Field(description="How many wait.")
    held: bool = Field(description="Whether they wait until a person has looked at them.")
    away: str | None = Field(description="Why the cloud cannot be reached; null if it can.")


class ReportedClone(BaseModel):
    """Another gateway that has the certificate of a shop, as it says of itself."""

    model_config = ConfigDict(frozen=True)

    host: str = Field(description="The name of its machine.")
    addresses: tuple[str, ...] = Field(description="Its addresses in the shop.")
    since: str = Field(description="Since when it was heard, in UTC.")


class ReportedState(BaseModel):
    """What a shop says of itself: the key `SHOP` of the bucket `reported`."""

    model_config = ConfigDict(frozen=True)

    version: str = Field(description="The version of the gateway.")
    settings_digest: str = Field(description="Changes with the settings.")
    cameras: tuple[ReportedCamera, ...] = Field(description="The managed cameras.")
    cloud_reachable: bool | None = Field(description="Whether the cloud answers; null if nothing was sent yet.")
    outbox: ReportedOutbox = Field(description="What waits for the cloud.")
    failing: dict[str, str | None] = Field(description="The services of the gateway that fail, with the reason.")
    cloned: ReportedClone | None = Field(
        default=None,
        description="Another gateway with this shop's certificate: while it is there, neither sends events, applies "
        "desired state or takes commands; null if there is none.",
    )
    time: str = Field(description="When, in UTC, by the clock of the shop.")
    oldest_item_age_s: float | None = Field(description="For how long the oldest call has waited; null if none does.")


class ContentReference(BaseModel):
    """A file in the object store `content`. Its parts are the objects `SHA256.0`, `SHA256.1` and so on."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(max_length=200, description="What people call it: the name of the file.")
    sha256: Sha256 = Field(description="The SHA-256 of the whole file.")
    size: int = Field(ge=0, le=MAX_CONTENT_BYTES, description="Bytes.")
    parts: int = Field(ge=1, le=1000, description="Of how many objects it consists.")


class ProductListReference(ContentReference):
    """A list of products, which each shop reads as if it had been uploaded there."""

    complete: bool = Field(default=True, description="Whether products that it does not have are deleted.")
    confirm: bool = Field(default=False, description="Whether it is taken although it changes or deletes much.")


class DesiredState(BaseModel):
    """What the head office wants of all shops, of a group or of one shop. The narrower one wins, key by key."""

    model_config = ConfigDict(frozen=True)

    groups: tuple[Name, ...] = Field(
        default=(), max_length=20, description="The groups of the shop, the last one wins; only in `shop.SHOP`."
    )
    settings: dict[str, dict[str, Any]] = Field(default={}, description="Settings by section and key.")
    products: ProductListReference | None = Field(default=None, description="The list of products.")
    templates: dict[Name, ContentReference] = Field(
        default={}, max_length=200, description="Templates of labels by name."
    )
    version: str | None = Field(default=None, max_length=64, description="The version of the gateway.")


DesiredOutcome = Literal["pending", "applied", "refused", "rolled_back"]
"""What became of a part of the desired state."""


class DesiredAnswer(BaseModel):
    """What became of one part of the desired state in the shop."""

    model_config = ConfigDict(frozen=True)

    outcome: DesiredOutcome = Field(description="`rolled_back`: it cut the shop off, and the earlier value is back.")
    reason: str = Field(default="", description="Why it is pending, refused or rolled back.")


class DesiredReport(BaseModel):
    """The shop's answer to the desired state: the key `SHOP.desired` of the bucket `reported`."""

    model_config = ConfigDict(frozen=True)

    revisions: dict[str, int] = Field(description="The revisions that this answers, by key of the bucket `desired`.")
    answers: dict[str, DesiredAnswer] = Field(
        description="By part: `settings.SECTION.KEY`, `products`, `templates.NAME`, `version`, or `document` for "
        "all of a document that cannot be read."
    )
    time: str = Field(description="When, in UTC, by the clock of the shop.")


class CommandRequest(BaseModel):
    """A command to one shop: a request on `fleet.v1.SHOP.command.NAME`."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")] = Field(
        description="The idempotency key: a command that comes again with it is not acted on again."
    )
    deadline: str = Field(
        description="Until when it may be acted on, in UTC. A shop with a true clock refuses it later."
    )
    by: str = Field(max_length=200, description="Who gives it, for the audit log of the shop.")
    arguments: dict[str, Any] = Field(default={}, description="By name, as the command declares them.")


CommandOutcome = Literal["done", "refused", "failed", "interrupted", "running"]
"""What became of a command. `interrupted`: the gateway ended meanwhile, so nobody knows how far it came."""


class CommandResponse(BaseModel):
    """The response to a command."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="That of the request.")
    outcome: CommandOutcome = Field(description="What became of it. A repeat gets the outcome of the first time.")
    reason: str = Field(default="", description="Why it is refused or failed.")
    result: dict[str, Any] = Field(default={}, description="What the command returns.")


class Presence(BaseModel):
    """What each gateway says when it connects, every five minutes, and when it hears another one of its shop."""

    model_config = ConfigDict(frozen=True)

    instance: str = Field(max_length=64, description="Random, for each start of a gateway.")
    host: str = Field(max_length=255, description="The name of its machine.")
    addresses: tuple[str, ...] = Field(default=(), max_length=20, description="Its addresses in the shop.")
    started: str = Field(max_length=40, description="When it started, in UTC.")
    signature: str = Field(
        default="",
        max_length=100,
        description="The Ed25519 signature, in base64, of `sunmi-gateway present INSTANCE` by the shop's key. What "
        "another shop has the servers send here has none.",
    )


class ShopRecord(BaseModel):
    """A shop that is enrolled: the key `SHOP` of the bucket `shops`."""

    model_config = ConfigDict(frozen=True)

    state: Literal["invited", "joined", "retired"] = Field(description="`invited`: its join code was not used yet.")
    title: str = Field(default="", max_length=200, description="What people call the shop.")
    groups: tuple[Name, ...] = Field(default=(), max_length=20, description="Its groups.")
    since: str = Field(description="When it came into this state, in UTC.")
    code_sha256: str = Field(
        default="", description="The SHA-256 of the secret of its join code; empty when it is used."
    )
    code_expires: str = Field(default="", description="Until when the join code is good, in UTC.")
    public_key: str = Field(default="", description="The public key of its gateway, as the servers write it.")


class CustomerKinds(BaseModel):
    """Customers by kind; null is what the cloud does not count."""

    model_config = ConfigDict(frozen=True)

    new: int | None = Field(description="Customers who were not seen before.")
    repeat: int | None = Field(description="Customers who came before.")
    members: int | None = Field(description="Members.")


class CustomerCounts(CustomerKinds):
    """How many customers came; null is what the cloud does not count."""

    total: int | None = Field(description="All customers.")
    face_not_seen: int | None = Field(description="Customers whose face was not seen.")


class HourFlow(CustomerCounts):
    """The customers of an hour."""

    time: str = Field(max_length=40, description="When it begins, as `2026-11-20 09:00`, in the zone of the shop.")


class GenderFlow(BaseModel):
    """Customers of one gender; null is what the cloud does not count."""

    model_config = ConfigDict(frozen=True)

    total: int | None = Field(description="All of them.")
    repeat: int | None = Field(description="Those who came before.")
    members: int | None = Field(description="The members.")


class AgeFlow(CustomerKinds):
    """The customers of an age range."""

    age_range: int = Field(description="The vendor's number of the age range.")
    age: str | None = Field(description="The age range in words; null if the vendor does not say.")
    men: GenderFlow | None = Field(description="The men; null if they are not counted apart.")
    women: GenderFlow | None = Field(description="The women; null if they are not counted apart.")


class DayFlow(CustomerCounts):
    """The customer flow of a shop on one day: the newest message of `fleet.v1.SHOP.flow.DAY`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    day: str = Field(description="As 2026-11-20, in the zone of the shop.")
    final: bool = Field(description="Whether the day is over and its numbers do not change any more.")
    hours: tuple[HourFlow, ...] | None = Field(
        max_length=100, description="The customers hour by hour; null if they are not known."
    )
    ages: tuple[AgeFlow, ...] | None = Field(
        max_length=100, description="The customers by age; null if they are not known."
    )


class ReportedFinding(BaseModel):
    """One finding of the doctor that is not good."""

    model_config = ConfigDict(frozen=True)

    check: str = Field(description="The name of the check.")
    status: str = Field(description="As in `GET /api/v1/doctor`.")
    text: str = Field(description="What was found, in English.")
    advice: str = Field(default="", description="What to do about it, in English.")


class FindingsReport(BaseModel):
    """What the doctor of a shop found: the key `SHOP.findings` of the bucket `reported`."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[ReportedFinding, ...] = Field(description="What is not good; empty when all is.")
    time: str = Field(description="When it was found, in UTC.")
