"""What a person decides about a head office, kept as `office.toml` in its folder."""

import ipaddress
import tomllib
from collections import Counter
from typing import Annotated, Final, NamedTuple

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.fleet_settings import SHOP_NAME
from gateway.protocol.host_name import MAX_PORT, parse_host_and_port
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
    "The head office of a chain. `join` is where shops reach `sunmi-gateway office serve`: change it here if that",
    "moves, and enrol the shops again that have not joined. `storage_gb` is how much each server stores at most,",
    "`mqtt_port` where it listens for MQTT, if it does: after a change of these run `sunmi-gateway office init` again,",
    "copy server.conf to the servers, start them again, and run it once more.",
)

Port = Annotated[int, Field(ge=1, le=MAX_PORT)]


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`. Raises `ValueError`."""
        return cls(*parse_host_and_port(text))

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
    mqtt_port: int | None
    """Where readers reach it by MQTT, if they do."""


class ChainPlan(BaseModel):
    """What a person decides about a head office."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=f"^{SHOP_NAME}$")] = "chain"
    servers: tuple[str, ...]
    cluster_ports: tuple[Port, ...] = ()
    join: str = ""
    storage_gb: Annotated[int, Field(ge=1, le=100_000)] = STORAGE_GB
    mqtt_port: Port | None = None

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
    def _check_ports(self) -> "ChainPlan":
        if len(self.cluster_ports) not in (0, 1, len(self.servers)):
            raise ValueError(message("cluster_ports: there must be one port, or one for each server"))
        taken = Counter(
            (place.address.host, port)
            for place in self.places
            for port in (place.address.port, place.cluster_port, place.mqtt_port)
            if port is not None
        )
        if (last := max(port for _, port in taken)) > MAX_PORT:
            raise ValueError(
                message(
                    "cluster_ports, mqtt_port: there is no port {port}: servers at one host get ports one after the "
                    "other, so begin with a lower one",
                    port=last,
                )
            )
        [((host, port), count)] = taken.most_common(1)
        if count > 1:
            raise ValueError(
                message(
                    "servers, cluster_ports, mqtt_port: port {port} of {host} is named twice: each needs its own",
                    host=host,
                    port=port,
                )
            )
        return self

    @property
    def places(self) -> tuple[ServerPlace, ...]:
        """The servers. Those at one host get ports for each other, and for MQTT, one after the other."""
        found: list[ServerPlace] = []
        for number, text in enumerate(self.servers):
            address = Address.parse(text)
            before = sum(place.address.host == address.host for place in found)
            if len(self.cluster_ports) == len(self.servers):
                cluster_port = self.cluster_ports[number]
            else:
                cluster_port = (self.cluster_ports[0] if self.cluster_ports else CLUSTER_PORT) + before
            mqtt_port = None if self.mqtt_port is None else self.mqtt_port + before
            found.append(ServerPlace(f"{self.name}-{number + 1}", address, cluster_port, mqtt_port))
        return tuple(found)

    @property
    def join_address(self) -> Address:
        """Where shops reach the service that lets them join: at the first server's host unless told otherwise."""
        return Address.parse(self.join) if self.join else Address(Address.parse(self.servers[0]).host, JOIN_PORT)

    @property
    def mqtt_addresses(self) -> tuple[str, ...]:
        """Where readers reach the servers by MQTT; nowhere unless the servers listen for it."""
        return tuple(f"{one.address.host}:{one.mqtt_port}" for one in self.places if one.mqtt_port is not None)

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
        for line in _HEADING:
            document.add(tomlkit.comment(line))
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
