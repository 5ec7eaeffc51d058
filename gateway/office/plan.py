"""What a person decides about a head office, kept as `office.toml` in its folder."""

import ipaddress
import re
import tomllib
from typing import Annotated, Final, NamedTuple

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.fleet.subjects import SHOP_NAME
from gateway.protocol.host_name import is_host_name
from gateway.settings import describe_errors

SERVER_COUNTS: Final = (1, 3)
"""How many servers there can be: one, or as many as outlive the loss of one."""
CLUSTER_PORT: Final = 6222
"""Where servers listen for each other unless told otherwise."""
STORAGE_GB: Final = 20
"""How much a server stores at most unless told otherwise, in gigabytes."""
JOIN_PORT: Final = 7443
"""Where shops join unless told otherwise."""
_HEADING: Final = (
    "The head office of a chain. `join` is where shops reach `sunmi-gateway office serve`: change it here if that "
    "moves, and enrol the shops again that have not joined. `storage_gb` is how much each server stores at most: after "
    "a change run `sunmi-gateway office init` again, copy server.conf to the servers and start them again."
)
_ADDRESS: Final = re.compile(r"([^:/\s]+):([1-9][0-9]{0,4})")

Port = Annotated[int, Field(ge=1, le=65535)]


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`. Raises `ValueError`."""
        match = _ADDRESS.fullmatch(text)
        if match is None or not is_host_name(match[1]) or int(match[2]) > 65535:
            reason = message("{server!r} must be a host and a port, such as office.example:4222", server=text)
            raise ValueError(reason)
        return cls(match[1], int(match[2]))

    @property
    def listen_host(self) -> str:
        """Where a server listens that is reached at this address: on loopback, or everywhere."""
        try:
            if ipaddress.ip_address(self.host).is_loopback:
                return self.host
        except ValueError:
            pass
        return "0.0.0.0"  # noqa: S104  shops connect from elsewhere


class ServerPlace(NamedTuple):
    """One server."""

    name: str
    """Its name, and that of its folder."""
    address: Address
    """Where shops reach it."""
    cluster_port: int
    """Where the others reach it."""


class ChainPlan(BaseModel):
    """What a person decides about a head office."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=f"^{SHOP_NAME}$")] = "chain"
    servers: tuple[str, ...]
    cluster_ports: tuple[Port, ...] = ()
    join: str = ""
    storage_gb: Annotated[int, Field(ge=1, le=100_000)] = STORAGE_GB

    @field_validator("servers")
    @classmethod
    def _check_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        addresses = [Address.parse(one) for one in value]
        if len(addresses) not in SERVER_COUNTS or len(set(addresses)) < len(addresses):
            raise ValueError(
                message("there must be one server, or three different ones: with two, the loss of one stops both")
            )
        return value

    @field_validator("join")
    @classmethod
    def _check_join(cls, value: str) -> str:
        if value:
            Address.parse(value)
        return value

    @model_validator(mode="after")
    def _check_cluster_ports(self) -> "ChainPlan":
        if len(self.cluster_ports) not in (0, 1, len(self.servers)):
            raise ValueError(message("cluster_ports: there must be one port, or one for each server"))
        places = [(place.address.host, place.cluster_port) for place in self.places]
        taken = {(place.address.host, place.address.port) for place in self.places}
        if len({*places}) < len(places) or taken & {*places}:
            raise ValueError(message("cluster_ports: servers at the same host need a port of their own each"))
        return self

    @property
    def places(self) -> tuple[ServerPlace, ...]:
        """The servers. Those at one host get cluster ports one after the other."""
        found: list[ServerPlace] = []
        for number, text in enumerate(self.servers):
            address = Address.parse(text)
            if len(self.cluster_ports) == len(self.servers):
                port = self.cluster_ports[number]
            else:
                begin = self.cluster_ports[0] if self.cluster_ports else CLUSTER_PORT
                port = begin + sum(place.address.host == address.host for place in found)
            found.append(ServerPlace(f"{self.name}-{number + 1}", address, port))
        return tuple(found)

    @property
    def join_address(self) -> Address:
        """Where shops reach the service that lets them join: at the first server's host unless told otherwise."""
        return Address.parse(self.join) if self.join else Address(Address.parse(self.servers[0]).host, JOIN_PORT)

    @property
    def storage_bytes(self) -> int:
        """How much a server stores at most."""
        return self.storage_gb * 10**9

    @property
    def replicas(self) -> int:
        """On how many servers everything is stored."""
        return len(self.servers)

    def to_toml(self) -> str:
        """Return the text of `office.toml`."""
        document = tomlkit.document()
        document.add(tomlkit.comment(_HEADING))
        for key, value in self.model_dump(exclude_defaults=True).items():
            document[key] = [*value] if isinstance(value, tuple) else value
        document["name"], document["join"] = self.name, str(self.join_address)
        document["storage_gb"] = self.storage_gb
        return document.as_string()


def make_plan(**values: object) -> ChainPlan:
    """Return a plan of values that a person has given. Raises `SettingsError`, which names the value."""
    try:
        return ChainPlan.model_validate(values)
    except ValidationError as exc:
        raise SettingsError(describe_errors(exc)) from exc


def parse_plan(text: str, file: str) -> ChainPlan:
    """Read `office.toml`. Raises `SettingsError`, which names the file and the key."""
    try:
        return make_plan(**tomllib.loads(text))
    except (tomllib.TOMLDecodeError, SettingsError) as exc:
        raise SettingsError(message("{path}: {reason}", path=file, reason=exc)) from exc
