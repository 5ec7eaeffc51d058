"""Settings: one TOML file and environment variables over it, checked at the start.

`gateway.toml` beside this file documents each setting; a test holds it complete.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_origin
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from firmware_tools.language import join, message
from gateway.errors import SettingsError
from gateway.fleet_settings import FleetSettings
from gateway.label_settings import LabelSettings
from gateway.list_settings import parse_list
from gateway.product_settings import ProductSettings
from gateway.protocol.camera_address import find_address_problem
from gateway.protocol.endpoint import REDACTED
from gateway.protocol.host_name import names_host, parse_host_names
from gateway.protocol.wifi import check_ssid, check_wifi_password
from gateway.secret_file import read_secret_file
from gateway.validation_texts import describe_validation_error

ENVIRONMENT_PREFIX: Final = "SUNMI_GATEWAY__"
"""A variable that sets a setting is called this, the section, `__` and the key."""
SYSTEM_FILE: Final = Path("/etc/sunmi-gateway/gateway.toml")
DOCUMENTED_FILE: Final = Path(__file__).with_name("gateway.toml")
"""Every setting with an explanation, as the Debian package installs it."""
CLOUD_URLS: Final = {"uat": "https://store.uat.sunmi.com/openapi", "release": "https://store.sunmi.com/openapi"}
"""The base of every cloud endpoint, by environment."""

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

FILE_SETTINGS: Final = (
    ("server", "tls_certificate"),
    ("server", "tls_private_key"),
    ("cloud", "secret_key_file"),
    ("cloud", "ca_file"),
    ("cameras", "client_certificate"),
    ("provisioning", "password_file"),
    ("labels", "font"),
    ("fleet", "ca_file"),
    ("fleet", "certificate"),
    ("fleet", "private_key"),
    ("fleet", "user_jwt"),
)
"""Section and key of each setting that names a file for the gateway to read."""

SECRET_FILE_SETTINGS: Final = (("cloud", "secret_key"), ("provisioning", "password"))
"""Section and key of each secret that can stand in a file of its own, which the key with `_file` names."""

Method = Literal["broadcast", "mdns", "sweep"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ServerSettings(_Section):
    """Where tills reach the gateway."""

    host: str = "0.0.0.0"  # noqa: S104  a till on the store's network has to reach it
    port: int = Field(default=8080, ge=0, le=65535)
    https_port: int = Field(default=0, ge=0, le=65535)
    tls_certificate: str = ""
    tls_private_key: str = ""
    allow_plain_http: bool = True
    cors_origins: list[str] = Field(default=[], examples=[["https://till.example"]])
    hosts: list[str] = Field(default=[], examples=[["gateway.example"]])
    pos_deletes_products: bool = False

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, value: list[str]) -> list[str]:
        return parse_host_names(value, example="till.shop.example")

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if origin in ("*", "null"):
                reason = message(
                    "{origin!r} would let any page call the gateway; list the tills' origins one by one", origin=origin
                )
                raise ValueError(reason)
            if not _ORIGIN.fullmatch(origin) or origin.endswith(_DEFAULT_PORTS.get(origin.partition(":")[0], " ")):
                reason = message(
                    "{origin!r} is not a web origin: write scheme://host or scheme://host:port in lower case, without "
                    "a path, a slash at the end, or the scheme's default port",
                    origin=origin,
                )
                raise ValueError(reason)
        return value

    @model_validator(mode="after")
    def _check_pair(self) -> "ServerSettings":
        if bool(self.tls_certificate) != bool(self.tls_private_key):
            raise ValueError(message("tls_certificate and tls_private_key belong together: give both or neither"))
        return self


class StorageSettings(_Section):
    """Where the gateway keeps its state."""

    directory: str = ""


class CloudSettings(_Section):
    """The SUNMI store open platform and the account on it."""

    environment: Literal["uat", "release"] = "release"
    base_url: str = ""
    app_id: str = ""
    secret_key: str = Field(default="", repr=False)
    secret_key_file: str = ""
    shop_id: str = ""
    sunmi_shop_no: str = ""
    ca_file: str = ""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        if value and not value.startswith("https://"):
            raise ValueError(message("must begin with https://"))
        if value and not names_host(value):
            raise ValueError(message("must be a URL with the name of a host"))
        return value.rstrip("/")

    @model_validator(mode="after")
    def _check_one_secret(self) -> "CloudSettings":
        if self.secret_key and self.secret_key_file:
            raise ValueError(message("give secret_key or secret_key_file, not both"))
        return self

    @property
    def url(self) -> str:
        """The base of every cloud endpoint, without a trailing slash."""
        return self.base_url or CLOUD_URLS[self.environment]

    @property
    def shop(self) -> dict[str, str]:
        """The shop's keys that are filled into calls that name none."""
        return {"shop_id": self.shop_id, "sunmi_shop_no": self.sunmi_shop_no}


class CameraSettings(_Section):
    """How cameras are called."""

    port: int = Field(default=443, ge=1, le=65535)
    app_id: str = ""
    secret_key: str = Field(default="", repr=False)
    client_certificate: str = ""
    client_certificate_password: str = Field(default="", repr=False)
    timeout_s: float = Field(default=10, gt=0, le=300)


class VideoSettings(_Section):
    """Pictures of cameras."""

    max_streams: int = Field(default=2, ge=0, le=16)
    cloud_hosts: list[str] = Field(default=[], examples=[["video.example"]])

    @field_validator("cloud_hosts")
    @classmethod
    def _check_hosts(cls, value: list[str]) -> list[str]:
        return parse_host_names(value, example="video.example.com")


class DiscoverySettings(_Section):
    """How cameras are found."""

    methods: list[Method] = ["broadcast", "mdns", "sweep"]
    interfaces: list[str] = Field(default=[], examples=[["eth0"]])
    addresses: list[str] = Field(default=[], examples=[["192.168.1.20"]])
    interval_s: float = Field(default=60, ge=0)
    broadcast_port: int = Field(default=10001, ge=1, le=65535)

    @field_validator("addresses")
    @classmethod
    def _check_addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            if problem := find_address_problem(address):
                raise ValueError(message("{address!r} {problem}", address=address, problem=problem))
        return value


class OutboxSettings(_Section):
    """The queue of calls for the cloud."""

    max_bytes: int = Field(default=536870912, ge=1024 * 1024)


class HookSettings(_Section):
    """How the vendor's callbacks reach the gateway."""

    public_url: str = ""
    camera_url: str = ""

    @field_validator("public_url", "camera_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if not value:
            return value
        if not names_host(value) or (parts := urlsplit(value)).scheme not in ("http", "https"):
            raise ValueError(message("must be a URL such as https://shop.example or http://192.168.1.5:8080"))
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(message("must be a URL without user name, ? and #: the path of the hook is added to it"))
        return value.rstrip("/")


class ProvisioningSettings(_Section):
    """The store's Wi-Fi, which cameras are put on."""

    ssid: Annotated[str, AfterValidator(check_ssid)] = ""
    password: Annotated[str, AfterValidator(check_wifi_password)] = Field(default="", repr=False)
    password_file: str = ""
    max_concurrency: int = Field(default=20, ge=1, le=100)
    event_wait_s: float = Field(default=60, ge=0, le=3600)

    @model_validator(mode="after")
    def _check_password(self) -> "ProvisioningSettings":
        if self.password and self.password_file:
            raise ValueError(message("give password or password_file, not both"))
        if (self.password or self.password_file) and not self.ssid:
            raise ValueError(message("a password needs ssid, the name of the network"))
        return self

    def find_password(self, ssid: str | None) -> str | None:
        """Return the password of a network; None if it is not the store's, or if no password is set."""
        return self.password or None if ssid is not None and ssid == self.ssid else None


class Settings(_Section):
    """All settings. `load_settings` reads them from the file and the environment."""

    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    cloud: CloudSettings = CloudSettings()
    cameras: CameraSettings = CameraSettings()
    video: VideoSettings = VideoSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    outbox: OutboxSettings = OutboxSettings()
    hooks: HookSettings = HookSettings()
    products: ProductSettings = ProductSettings()
    labels: LabelSettings = LabelSettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    fleet: FleetSettings = FleetSettings()

    @property
    def state_directory(self) -> Path:
        """The folder that holds gateway.db: the setting, else $STATE_DIRECTORY, else the user's state folder."""
        named = self.storage.directory or os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        return Path(named) if named else platformdirs.user_state_path("sunmi-gateway", appauthor=False)

    @property
    def secrets(self) -> list[str]:
        """The values of the secret settings that are set."""
        values = [getattr(getattr(self, section), key) for section, key in SECRET_SETTINGS]
        return [value for value in values if value]

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON, with each secret that is set redacted."""
        document = self.model_dump(mode="json")
        for section, key in SECRET_SETTINGS:
            if document[section][key]:
                document[section][key] = REDACTED
        return document

    @property
    def camera_credentials(self) -> tuple[str, str]:
        """The app_id and secret key for cameras: their own, else the cloud's."""
        if self.cameras.app_id:
            return self.cameras.app_id, self.cameras.secret_key
        return self.cloud.app_id, self.cloud.secret_key


SECRET_SETTINGS: Final = tuple(
    (section, key)
    for section, settings in Settings()
    for key, field in type(settings).model_fields.items()
    if not field.repr
)
"""Section and key of each setting that holds a secret: those that `repr` leaves out."""


def find_settings_file(given: str | None) -> Path | None:
    """Return the settings file to read: the given one, $SUNMI_GATEWAY_CONFIG, the system's, the user's, or None.

    A file that is named is returned even if it does not exist, so that reading it fails.
    """
    named = given or os.environ.get("SUNMI_GATEWAY_CONFIG")
    if named:
        return Path(named)
    return next((path for path in (SYSTEM_FILE, _user_file()) if path.exists()), None)


def find_settings_file_to_write(given: str | None) -> Path:
    """Return the settings file to write: the one to read if there is one, else the system's (root) or the user's."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return find_settings_file(given) or (SYSTEM_FILE if is_root else _user_file())


def _user_file() -> Path:
    return platformdirs.user_config_path("sunmi-gateway", appauthor=False) / "gateway.toml"


def load_settings(path: Path | None, *, with_secret: bool = True) -> Settings:
    """Read and check the settings. Raises `SettingsError` naming the file, the key and the reason.

    The files of secrets that the settings name are read only `with_secret`.
    """
    try:
        text = path.read_text(encoding="utf-8") if path else ""
    except PermissionError as exc:
        raise SettingsError(
            message(
                "{path}: you may not read it: run this as the gateway's user; the Debian package's: "
                "sudo -u sunmi-gateway sunmi-gateway …",
                path=path,
            )
        ) from exc
    except OSError as exc:
        raise SettingsError(message("{path}: cannot be read: {reason}", path=path, reason=exc)) from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(message("{path}: is not valid TOML: {reason}", path=path, reason=exc)) from exc
    return parse_settings(text, str(path or message("the environment")), with_secret=with_secret)


def parse_settings(text: str, where: str, *, with_secret: bool = True) -> Settings:
    """Check the text of a settings file, with the environment over it. Raises `SettingsError`, which names `where`.

    The files of secrets are read only `with_secret`.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # also of a number with too many digits
        raise SettingsError(message("{where}: is not valid TOML: {reason}", where=where, reason=exc)) from exc
    _apply_environment(document)
    try:
        settings = Settings(**document)
    except ValidationError as exc:
        raise SettingsError(message("{where}: {reason}", where=where, reason=describe_errors(exc))) from exc
    return read_secret_files(settings, where) if with_secret else settings


def _apply_environment(document: dict[str, Any]) -> None:
    """Overwrite settings of the file with those of the environment. Raises `SettingsError` for an unknown variable."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    for variable, text in os.environ.items():
        if not variable.upper().startswith(ENVIRONMENT_PREFIX):
            continue
        section, _, key = variable[len(ENVIRONMENT_PREFIX) :].lower().partition("__")
        known = sections.get(section)
        if not (isinstance(known, type) and issubclass(known, BaseModel) and key in known.model_fields):
            raise SettingsError(message("the environment: {variable} is not a setting", variable=variable))
        field = known.model_fields[key]
        value = parse_list(variable, text, field) if get_origin(field.annotation) is list else text
        table = document.setdefault(section, {})
        if isinstance(table, dict):  # else the check of the document fails
            table[key] = value


def read_secret_files(settings: Settings, where: str) -> Settings:
    """Return the settings with the secrets that stand in files of their own. Raises `SettingsError`."""
    for section, key in SECRET_FILE_SETTINGS:
        values = getattr(settings, section)
        file = getattr(values, f"{key}_file")
        if file:
            check = check_wifi_password if key == "password" else str.strip
            secret = read_secret_file(Path(file), f"{where}: {section}.{key}_file", check)
            settings = settings.model_copy(update={section: values.model_copy(update={key: secret})})
    return settings


def describe_errors(error: ValidationError) -> str:
    """Return what is wrong in one sentence."""
    reasons = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"])
        is_unknown = one["type"] == "extra_forbidden"
        reason = message("is not a setting") if is_unknown else describe_validation_error(one)
        reasons.append(message("{key}: {reason}", key=key, reason=reason) if key else reason)
    return join("; ", reasons)
