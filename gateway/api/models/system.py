"""Responses about the gateway itself: its health and status, findings, tokens and its authority."""

from typing import Any, Literal

from pydantic import Field, RootModel
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, Fingerprint, Time
from gateway.doctor.check import Status
from gateway.protocol import endpoint
from gateway.runtime import supervisor

Scope = TypeAliasType("Scope", endpoint.Scope)
ScopeName = TypeAliasType("ScopeName", Literal["pos", "installer", "admin", "custom"])


class OpenApiDocument(RootModel[dict[str, Any]]):
    """An OpenAPI document (version 3.1)."""


class HealthDocument(Document):
    """The gateway serves."""

    status: Literal["ok"] = Field(description="`ok`.")


class CloudStatusDocument(Document):
    """The cloud, as the gateway sees it."""

    reachable: bool | None = Field(description="Whether the last call reached it; null before the first.")
    clock_offset_s: float | None = Field(
        description="How many seconds its clock is ahead of this machine's; null if that is not known.", examples=[0.4]
    )


class CamerasStatusDocument(Document):
    """How many cameras there are."""

    known: int = Field(description="How many are found or managed.", examples=[3])
    online: int = Field(description="How many of them were seen or reached lately.", examples=[3])


class OutboxStatusDocument(Document):
    """How much waits for the cloud."""

    depth: int = Field(description="How many items wait or are being sent.", examples=[0])
    oldest_age_s: float | None = Field(
        description="Since when the oldest waits, in seconds of uptime; null if none does, or if it cannot be read "
        "now.",
        examples=[12.5],
    )


class AccountDocument(Document):
    """The account at the cloud, and the shop, to which calls belong."""

    base_url: str = Field(description="The base of every endpoint.", examples=["https://store.sunmi.com/openapi"])
    app_id: str = Field(description="The application's key.")
    shop_id: str = Field(
        description="The vendor's id of the shop; empty if only the other one is known.", examples=["10096"]
    )
    sunmi_shop_no: str = Field(description="The vendor's number of the shop; empty if only the other one is known.")


class HeldItemsDocument(Document):
    """Items that wait for another account than that of the settings."""

    account: AccountDocument | None = Field(
        description="That account; null if its description was lost with a damaged database."
    )
    items: int = Field(description="How many.", examples=[12])


class RelayStatusDocument(Document):
    """How calls go from the outbox to the cloud."""

    away: str | None = Field(description="Why the cloud is away, so that calls wait; null while it is there.")
    unclear: str | None = Field(
        description="Why nobody knows whether a call has arrived, so that it is sent again; null if that is not so."
    )
    held: bool = Field(description="Whether everything is held until a person releases it, as in a restored outbox.")
    account: AccountDocument = Field(description="The account of the settings.")
    other_accounts: list[HeldItemsDocument] | None = Field(
        description="What waits for other accounts; null if it cannot be read now."
    )


class StorageStatusDocument(Document):
    """Where the state is kept."""

    volatile: bool = Field(description="Whether it is on a file system that a restart empties.")


class ServiceReportDocument(Document):
    """A part of the gateway that runs for as long as it does, or all jobs with one name."""

    name: str = Field(description="The name, in words for people.", examples=["outbox"])
    kind: supervisor.Kind = Field(description="A job has an end, as one batch or one provisioning.")
    state: supervisor.State = Field(
        description="`failing` from a failure until it succeeds or waits for work; `stopped` for good."
    )
    vital: bool = Field(description="Whether the watchdog restarts the gateway if it does not work for minutes.")
    failures: int = Field(description="How often it failed since the gateway started.", examples=[0])
    last_failure: str | None = Field(description="The last reason, in one line; null if it never failed.")
    last_success_age_s: float | None = Field(
        description="Seconds since the last completed turn or job; null before the first.", examples=[0.5]
    )


class SettingsStatusDocument(Document):
    """The settings that were changed in the console."""

    set_aside: list[str] = Field(
        description="Files with changed settings that were not valid and do not count; "
        "they lie in the state directory.",
        examples=[[]],
    )


class OtherGatewayDocument(Document):
    """Another gateway that has this shop's certificate, as it says of itself."""

    host: str = Field(description="The name of its machine.", examples=["sunmi-gateway"])
    addresses: list[str] = Field(description="Its addresses.", examples=[["192.168.1.11"]])
    since: Time = Field(description="Since when it was heard.")


class FleetStatusDocument(Document):
    """The link to the head office of a chain."""

    connected_since: Time | None = Field(description="Since when it is connected; null if it is not.")
    server: str | None = Field(
        description="The server that it is connected to; null if it is not.", examples=["office.example:4222"]
    )
    last_event: str | None = Field(
        description="The id of the last event that the head office has acknowledged; null if there is none.",
        examples=["5f3a9c70b2d84e16-1042"],
    )
    events_waiting: int = Field(description="How many events wait.", examples=[0])
    cloned: OtherGatewayDocument | None = Field(
        description="Another gateway that has this shop's certificate: until it is gone, neither follows the head "
        "office; null if there is none."
    )
    people: bool = Field(description="Whether events about people are sent, too.")
    commands: dict[str, int] = Field(
        description="How many commands of the head office had which outcome since the start.",
        examples=[{"done": 3, "refused": 0, "failed": 0}],
    )


class StatusDocument(Document):
    """The gateway at a glance."""

    version: str = Field(description="The version of the gateway.", examples=["0.1.0"])
    uptime_s: float = Field(description="Seconds since it started.", examples=[3600.5])
    cloud: CloudStatusDocument = Field(description="The cloud.")
    cameras: CamerasStatusDocument = Field(description="The cameras.")
    outbox: OutboxStatusDocument = Field(description="The outbox.")
    relay: RelayStatusDocument = Field(description="The way from the outbox to the cloud.")
    storage: StorageStatusDocument = Field(description="Where the state is kept.")
    settings: SettingsStatusDocument = Field(description="The settings that were changed in the console.")
    fleet: FleetStatusDocument | None = Field(
        description="The link to the head office of a chain; null if there is none."
    )
    services: list[ServiceReportDocument] = Field(
        description="The parts of the gateway that run all the time, and jobs."
    )


class FindingDocument(Document):
    """What one check of the doctor found. It never holds a secret."""

    check: str = Field(description="The name of the check.", examples=["cloud"])
    status: Status = Field(description="`skipped` means that the check could not be made or does not apply.")
    what: str = Field(description="What was found, in one sentence.")
    evidence: str = Field(description="What proves it; empty if there is nothing to show.")
    what_to_do: str = Field(description="What a person does about it; empty if there is nothing to do.")


class DoctorReportDocument(Document):
    """What the doctor found, in the order of its checks."""

    findings: list[FindingDocument] = Field(description="The findings.")


class TokenDocument(Document):
    """A token, not the token itself."""

    name: str = Field(description="The name that a person gave it; unique.", examples=["till 1"])
    kind: Literal["token", "session"] = Field(description="Whether a program has it, or a person at the console.")
    scope: ScopeName = Field(description="The scope that includes just what it may do; `custom` for any other set.")
    scopes: list[Scope] = Field(description="Everything that it may do.", examples=[["pos"]])
    created_at: Time = Field(description="When it was made.")
    last_used_at: Time | None = Field(description="When it was used last, to about a day; null before its first use.")


class CreatedTokenDocument(Document):
    """A new token, which is shown this once."""

    name: str = Field(description="The name that a person gave it; unique.", examples=["till 1"])
    scope: ScopeName = Field(description="The scope that includes just what it may do; `custom` for any other set.")
    scopes: list[Scope] = Field(description="Everything that it may do.", examples=[["pos"]])
    token: str = Field(description="The token: sent as `Authorization: Bearer TOKEN`.", examples=["sgw_…"])


class TokenListDocument(Document):
    """All tokens, not the tokens themselves."""

    tokens: list[TokenDocument] = Field(description="The tokens.")


class PairingCodeDocument(Document):
    """A code that opens a session at the console, once."""

    code: str = Field(description="The code.", examples=["7KQ2-M9XD"])
    valid_s: float = Field(description="For how many seconds it is good.", examples=[600.0])
    urls: list[str] = Field(
        description="Where the console is, by each name and address.", examples=[["http://192.168.1.10/"]]
    )
    sign_in_urls: list[str] = Field(
        description="The same with the code in the fragment, as for a QR code.",
        examples=[["http://192.168.1.10/sign-in#code=7KQ2M9XD"]],
    )


class AuthorityDocument(Document):
    """The certificate authority with which the gateway makes the certificate of its HTTPS port."""

    name: str = Field(description="Its name, as a till lists it.", examples=["SUNMI store gateway 3F2A"])
    certificate_sha256: Fingerprint = Field(description="The SHA-256 of its certificate, for a person to compare.")
    expires_at: Time = Field(description="Until when its certificate is valid.")
    names: list[str] = Field(
        description="The host names that the HTTPS port goes by.", examples=[["sunmi-gateway.local", "localhost"]]
    )
    addresses: list[str] = Field(description="The IP addresses that it goes by.", examples=[["192.168.1.10"]])
    not_covered: list[str] = Field(description="Names and addresses that the authority may not certify.", examples=[[]])
    leaf_expires_at: Time | None = Field(
        description="Until when the certificate of the port is valid; null if there is none yet."
    )
    urls: list[str] = Field(
        description="Where HTTPS is served, by each name and address.", examples=[["https://sunmi-gateway.local/"]]
    )
    page: str = Field(
        description="The page that explains how to install the certificate.", examples=["http://192.168.1.10/authority"]
    )
    file: str = Field(description="The file on the gateway that holds the authority.")
