"""The models of what the head office's API responds, for its OpenAPI document; names end with `Document`."""

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from gateway.api.model_schemas import SUFFIX
from gateway.api.models.document import Day, Document, Time
from gateway.api.models.problems import FieldErrorDocument, ProblemDocument
from gateway.fleet.documents import ShopRecord
from gateway.office.command_calls import CallOutcome
from gateway.office.office import ActorKind
from gateway.office.rollout_documents import Rollout, ShopResult
from gateway.office.shop_facts import ShopHealth
from gateway.office_site.access import OfficeScope


class OfficeHealthDocument(Document):
    """The head office serves."""

    version: str = Field(description="Its version.")
    age_s: float = Field(description="How old the picture of the shops is, in seconds.")


class ShopTroubleDocument(Document):
    """Something of a shop that does not work."""

    kind: Literal["service", "check", "desired"] = Field(
        description="A service that fails, a finding of the doctor, or what the shop did not take."
    )
    name: str = Field(description="Which one.")
    reason: str = Field(description="Why, as the shop says it.")


class ChainShopDocument(Document):
    """A shop at a glance."""

    shop: str = Field(description="Its name.", examples=["hamburg-1"])
    title: str = Field(description="What people call it.")
    groups: list[str] = Field(description="Its groups.")
    health: ShopHealth = Field(description="How it is.")
    since: Time | None = Field(description="Since when it is connected, away, invited or retired; null: not known.")
    heard_at: Time | None = Field(description="When its last report arrived, by the clock of the servers.")
    version: str | None = Field(description="The version of its gateway.")
    cameras: int = Field(description="How many managed cameras it has.")
    cameras_offline: int = Field(description="How many of them do not answer.")
    waiting: int = Field(description="How many calls wait for the cloud.")
    cloned: dict[str, Any] | None = Field(description="The other gateway with its certificate; null: there is none.")
    troubles: list[ShopTroubleDocument] = Field(description="What does not work.")


class ServerTroubleDocument(Document):
    """A server of the chain that is not as it should be."""

    server: str = Field(description="Its name, which is that of its folder.")
    address: str = Field(description="Where shops reach it.")
    reason: str = Field(description="What is wrong, and what to do.")


class ChainServersDocument(Document):
    """The servers of the chain."""

    answered: int = Field(description="How many have said who is connected.")
    expected: int = Field(description="How many there are.")
    troubles: list[ServerTroubleDocument] = Field(description="Those that store nothing, or are silent.")
    wrong_clocks: list[str] = Field(description="What is wrong with the clocks of some, and what to do.")


class ChainShopListDocument(Document):
    """The shops of the chain, the worst first."""

    shops: list[ChainShopDocument] = Field(description="Those of this page.")
    total: int = Field(description="How many fit.")
    counts: dict[str, int] = Field(description="How many shops of the chain are how.")
    servers: ChainServersDocument = Field(description="How the servers are.")
    age_s: float = Field(description="How old this picture is, in seconds.")
    next: int | None = Field(description="`after` of the next page; null at the end.")


class WholeShopDocument(ChainShopDocument):
    """One shop as a whole."""

    record: ShopRecord = Field(description="Its record.")
    reported: dict[str, Any] = Field(description="What it reports: `state`, `findings` and `desired`.")
    reported_at: dict[str, Time | None] = Field(
        description="When each of these arrived last, by the clock of the servers; null: never."
    )
    desired: dict[str, Any] = Field(
        description="What is desired of it, by key: `{revision, changed_at, document}`, "
        "with null for a document that is damaged."
    )


class EnrolledShopDocument(Document):
    """A shop that was enrolled."""

    shop: str = Field(description="Its name.")
    join_code: str = Field(description="Its join code, good once; not shown again.")
    valid_days: int = Field(description="For how many days.")


class ChainEventDocument(Document):
    """An event of a shop."""

    sequence: int = Field(description="Its number in the stream.")
    shop: str = Field(description="Whose it is.")
    stored_at: Time = Field(description="When the servers stored it.")
    type: str = Field(description="Its type.")
    event: dict[str, Any] = Field(description="As `GET /api/v1/events` of the shop shows it.")


class ChainEventListDocument(Document):
    """Events of the chain, in the order of the stream."""

    events: list[ChainEventDocument] = Field(description="The events.")
    next: int | None = Field(description="`after` of the next page; null if there is none yet.")


class DayNumbersDocument(Document):
    """The customers of a day."""

    day: Day = Field(description="The day.")
    total: int | None = Field(description="All customers; null is what the cloud does not count.")
    new: int | None = Field(description="Those who were not seen before.")
    repeat: int | None = Field(description="Those who came before.")
    members: int | None = Field(description="The members.")
    final: bool = Field(description="Whether the numbers do not change any more.")
    shops: int = Field(description="How many shops have sent numbers of the day.")


class ChainFlowDocument(Document):
    """The customers of all shops, of a group or of one shop, by day."""

    days: list[DayNumbersDocument] = Field(description="The oldest first.")


class DesiredPartsDocument(Document):
    """What is desired of a circle of shops."""

    key: str = Field(description="`chain`, `group.NAME` or `shop.SHOP`.")
    revision: int = Field(description="Changes with each change; 0 if it was never set.")
    parts: dict[str, Any] = Field(
        description="By part: `settings.SECTION.KEY`, `products`, `templates.NAME`, `version`."
    )


class RolloutListDocument(Document):
    """The roll-outs, the newest first."""

    rollouts: list[Rollout] = Field(description="The roll-outs.")


class RolloutStatusDocument(Document):
    """A roll-out, and what became of it in each shop that it has reached."""

    rollout: Rollout = Field(description="The roll-out.")
    results: list[ShopResult] = Field(description="Failures first.")


class ShopCallDocument(Document):
    """What became of a command in a shop."""

    shop: str = Field(description="Its name.")
    outcome: CallOutcome = Field(description="What became of it.")
    reason: str = Field(description="Why.")
    result: dict[str, Any] = Field(description="What it returned.")


class CommandRunDocument(Document):
    """A command to some shops."""

    id: str = Field(description="Names it.")
    command: str = Field(description="Its name.")
    shops: int = Field(description="How many shops get it.")
    by: str = Field(description="Who gave it.")
    began: Time = Field(description="When.")
    state: Literal["running", "over"] = Field(description="Whether something more will become of it.")
    reason: str = Field(description="Why it could not be given; empty if it could.")
    calls: list[ShopCallDocument] = Field(description="The shops that have said what became of it.")


class DeclaredCommandDocument(Document):
    """A command that shops know."""

    name: str = Field(description="Its name.")
    title: str = Field(description="What it does.")
    arguments: dict[str, Any] = Field(description="The JSON Schema of its arguments.")


class DeclaredCommandListDocument(Document):
    """The commands that shops know. What may be done is decided in each shop, by `fleet.may`."""

    commands: list[DeclaredCommandDocument] = Field(description="The commands.")


class StoredPartDocument(Document):
    """A file at the servers, as a part of what is desired."""

    part: str = Field(description="The part: `products` or `templates.NAME`.")
    value: dict[str, Any] = Field(description="Its value for a roll-out or a desired document.")


class AccessEntryDocument(Document):
    """A token or a session."""

    name: str = Field(description="Its name.")
    kind: Literal["token", "session"] = Field(description="What it is.")
    scope: OfficeScope = Field(description="What its holder may do.")
    created_at: Time = Field(description="When it was made.")
    used_at: Time | None = Field(description="When it was used last, a day late at most.")


class AccessListDocument(Document):
    """All tokens and sessions."""

    tokens: list[AccessEntryDocument] = Field(description="Sorted by name.")


class NewTokenDocument(Document):
    """A new token."""

    name: str = Field(description="Its name.")
    scope: OfficeScope = Field(description="What its holder may do.")
    token: str = Field(description="The token, shown once.")


class ReaderDocument(Document):
    """A system of the chain that reads what shops send."""

    name: str = Field(description="Its name.")
    mqtt: bool = Field(description="Whether it reads by MQTT.")
    added_at: Time = Field(description="When it was added.")
    connected_since: Time | None = Field(description="Since when it is connected; null if it is not, or reads by MQTT.")
    waiting: int | None = Field(
        description="How many events it has not read yet; null if it reads by MQTT, which keeps none for it."
    )
    revoked: bool = Field(
        description="Whether its key is revoked all the same: the servers were restored from an older backup."
    )


class ReaderListDocument(Document):
    """All systems of the chain that read what shops send."""

    readers: list[ReaderDocument] = Field(description="Sorted by name.")


class ChainAuditEntryDocument(Document):
    """A change that was made at the head office."""

    number: int = Field(description="Its number: later ones are greater.")
    time: Time = Field(description="When, by the clock of the servers.")
    who: str = Field(
        description="The name of the person's session, of the token or of the shop; the user of a command."
    )
    via: ActorKind = Field(description="By what it was done.")
    host: str = Field(description="From which machine: its name for a command, else its address.")
    action: str = Field(description="What was done.", examples=["desired"])
    object: str = Field(description="To what.", examples=["group.north"])
    revision: int | None = Field(description="The revision that it made; null where there is none.")
    details: dict[str, Any] = Field(description="More of it, shortened. Secrets are never among it.")


class ChainAuditDocument(Document):
    """Changes that were made at the head office, the oldest first."""

    entries: list[ChainAuditEntryDocument] = Field(description="The changes.")
    next: int | None = Field(description="`after` of the next page; null if there is none yet.")


MODELS: Final[dict[str, type[BaseModel]]] = {
    "FieldError": FieldErrorDocument,
    "Problem": ProblemDocument,
    "Rollout": Rollout,
    **{
        name.removesuffix(SUFFIX): one
        for name, one in [*globals().items()]
        if name.endswith(SUFFIX) and isinstance(one, type) and issubclass(one, Document) and one is not Document
    },
}
"""The model of each schema, by the name of the schema."""
