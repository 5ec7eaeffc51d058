"""The folder of a head office: keys, certificates and tokens. Everything else is on the servers.

====================================  ==========================================================================
``office.toml``                       what a person decided
``authority.pem``, ``authority.key``  the chain's certificate authority
``operator.nk``, ``operator.jwt``     the operator, whom the servers trust
``account.nk``, ``account.jwt``       the account of streams and head office; the token also says who is revoked
``shops_account.nk``                  the account of the shops; its token is made from that of the streams
``readers_account.nk``                the account of the chain's other systems; its token is made in the same way
``system.nk``, ``system.jwt``         the servers' own account
``shops.nk``                          the key that signs the tokens of shops
``cluster.secret``                    with what the servers know each other
``office.pem``, ``office.key``        the head office as a user of the servers
``office.jwt``, ``observer.jwt``      its tokens in the account of the chain, and in that of the servers
``servers/NAME/``                     a folder for each server, to be copied to its machine
====================================  ==========================================================================
"""

import contextlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.fleet.credentials import CredentialFiles
from gateway.office import jwt
from gateway.office.authority import ChainAuthority
from gateway.office.nkey import KeyKind, SigningKey, encode_public_key
from gateway.office.plan import ChainPlan, parse_plan
from gateway.office.server_configuration import (
    AUTHORITY,
    CERTIFICATE,
    CONFIGURATION,
    PRIVATE_KEY,
    ServerTokens,
    differs_beyond_tokens,
    render_configuration,
)
from gateway.storage.private_file import sync_folder, write_private

PLAN_FILE: Final = "office.toml"
SERVERS: Final = "servers"
_JWT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{86}")
"""A token, which ends with a signature of 64 bytes."""
_TEXTS: Final = {"cluster.secret": re.compile("[0-9a-f]{32}"), "operator.jwt": _JWT, "system.jwt": _JWT}
"""What the files have to be that servers are given as they are."""
OFFICE: Final = "office"
"""The name of the head office as a user of the servers."""


class ShopCredentials(NamedTuple):
    """What a shop gets when it joins."""

    ca: str
    """The chain's authority, in PEM."""
    certificate: str
    """The shop's certificate, in PEM."""
    user_jwt: str
    """The shop's token."""
    public_key: str
    """The key of both, as the servers write it."""


class ChainFolder:
    """The folder of a head office; made by `create` or `open`."""

    def __init__(self, path: Path, plan: ChainPlan) -> None:
        self.path = path
        self.plan = plan

    @classmethod
    def create(cls, path: Path, plan: ChainPlan) -> Self:
        """Make a new chain. The folder appears with everything in it, or not at all.

        Raises `StateError` if it cannot be written, or has anything in it.
        """
        path = path.absolute()
        unfinished = path.parent / f".{path.name}.unfinished"
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise StateError(
                    message("{path} is not empty: name a new folder, since keys are never overwritten", path=path)
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            with _make_exclusive(unfinished):
                cls(unfinished, plan)._fill()
                with contextlib.suppress(FileNotFoundError):
                    path.rmdir()
                unfinished.rename(path)
            sync_folder(path.parent)
        except OSError as exc:
            raise StateError(
                message("{path}: cannot be written: {reason}", path=path, reason=describe_error(exc))
            ) from exc
        return cls(path, plan)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the folder of a chain. Raises `StateError`, and `SettingsError` for what is wrong in `office.toml`."""
        path = path.absolute()
        file = path / PLAN_FILE
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise StateError(
                message(
                    "{path} is no folder of a head office: name the one that `sunmi-gateway office init` has made, "
                    "with --folder or in SUNMI_OFFICE_FOLDER: {reason}",
                    path=path,
                    reason=describe_error(exc),
                )
            ) from exc
        return cls(path, parse_plan(text, str(file)))

    @staticmethod
    def is_chain(path: Path) -> bool:
        """Return whether a head office has this folder. Raises `StateError` if nobody may look."""
        try:
            return (path / PLAN_FILE).is_file()
        except OSError as exc:
            raise StateError(message("{path}: cannot be read: {reason}", path=path, reason=exc)) from exc

    @cached_property
    def authority(self) -> ChainAuthority:
        """The chain's authority. Raises `StateError`."""
        certificate, key = self._read("authority.pem"), self._read("authority.key")
        try:
            return ChainAuthority.parse(certificate, key)
        except ValueError as exc:
            raise self._damaged("authority.key", exc) from exc

    @property
    def operator(self) -> SigningKey:
        """The key of the operator. Raises `StateError`."""
        return self._read_key("operator", KeyKind.O)

    @property
    def account(self) -> SigningKey:
        """The key of the account with the streams. Raises `StateError`."""
        return self._read_key("account", KeyKind.A)

    @property
    def shops_account(self) -> SigningKey:
        """The key of the account in which the shops are. Raises `StateError`."""
        return self._read_key("shops_account", KeyKind.A)

    @property
    def readers_account(self) -> SigningKey:
        """The key of the account in which the chain's other systems are. Raises `StateError`."""
        return self._read_key("readers_account", KeyKind.A)

    @property
    def shops_key(self) -> SigningKey:
        """The key that signs the tokens of shops. Raises `StateError`."""
        return self._read_key("shops", KeyKind.A)

    @property
    def account_token(self) -> str:
        """The token of the account, as this folder had it last. The servers may have a newer one."""
        return self._read("account.jwt").decode("ascii", "replace")

    @property
    def office_files(self) -> CredentialFiles:
        """With what the head office connects as a user of the chain's account."""
        return CredentialFiles(
            *(str(self.path / name) for name in ("authority.pem", "office.pem", "office.key", "office.jwt"))
        )

    @property
    def observer_files(self) -> CredentialFiles:
        """With what the head office connects as a user of the servers' own account."""
        return self.office_files._replace(user_jwt=str(self.path / "observer.jwt"))

    def server_folder(self, name: str) -> Path:
        """Return the folder that belongs on the machine of a server."""
        return self.path / SERVERS / name

    def issue_shop(self, shop: str, key: Ed25519PublicKey) -> ShopCredentials:
        """Certify the key of a shop. Raises `StateError`."""
        public_key = encode_public_key(KeyKind.U, key.public_bytes_raw())
        return ShopCredentials(
            self.authority.pem.decode(),
            self.authority.issue_client(shop, key).decode(),
            jwt.make_shop(self.shops_key, public_key, shop, self.shops_account.public),
            public_key,
        )

    def make_account_token(self, revoked: Collection[str], issued_at: int) -> str:
        """Return the token of the account with the streams, which revokes these users. Raises `StateError`.

        What it says depends on nothing else. `issued_at` is in Unix seconds.
        """
        return jwt.make_account(
            self.operator, self.account.public, self.plan.name, revoked=revoked, issued_at=issued_at
        )

    def make_other_tokens(self, account_token: str) -> Mapping[str, str]:
        """Return the tokens of the accounts of shops and readers that belong to one of the account with the streams.

        They are by public key. Raises `StateError`.
        """
        try:
            issued_at, revoked = jwt.read_account(account_token, self.operator.public, self.account.public)
        except ValueError as exc:
            raise self._damaged("account.jwt", exc) from exc
        operator, streams = self.operator, self.account.public
        shops, readers = self.shops_account.public, self.readers_account.public
        return {
            shops: jwt.make_shops_account(
                operator,
                shops,
                self.plan.name,
                streams=streams,
                shops_key=self.shops_key.public,
                revoked=revoked,
                issued_at=issued_at,
            ),
            readers: jwt.make_readers_account(
                operator, readers, self.plan.name, streams=streams, revoked=revoked, issued_at=issued_at
            ),
        }

    def save_account_token(self, token: str) -> None:
        """Keep the newest token of the account, also where a server begins with it. Raises `StateError`."""
        if token != self.account_token:
            self._write({"account.jwt": token.encode()})
            self.write_servers()

    def write_servers(self) -> bool:
        """Bring the configurations of the servers to what the folder says. Raises `StateError`.

        Return whether one differs in more than the accounts' tokens, which the servers get from each other.
        """
        rendered = self._render_servers()
        differs = any(differs_beyond_tokens(self._read_present(name), content) for name, content in rendered.items())
        self._write(rendered)
        return differs

    def _read_present(self, name: str) -> bytes:
        """Return what a file holds; nothing if it is not there."""
        return self._read(name) if (self.path / name).exists() else b""

    def _fill(self) -> None:
        authority = ChainAuthority.create(self.plan.name)
        operator, account, system, shops, shops_account, readers_account = (
            SigningKey.create(kind) for kind in (KeyKind.O, *(KeyKind.A,) * 5)
        )
        key = Ed25519PrivateKey.generate()
        office = encode_public_key(KeyKind.U, key.public_key().public_bytes_raw())
        name = self.plan.name
        texts = {
            "operator.nk": operator.seed,
            "operator.jwt": jwt.make_operator(name, operator, system.public),
            "account.nk": account.seed,
            "account.jwt": jwt.make_account(operator, account.public, name, revoked=(), issued_at=int(time.time())),
            "system.nk": system.seed,
            "system.jwt": jwt.make_system_account(operator, system.public),
            "shops.nk": shops.seed,
            "shops_account.nk": shops_account.seed,
            "readers_account.nk": readers_account.seed,
            "cluster.secret": secrets.token_hex(16),
            "office.jwt": jwt.make_user(account, office, OFFICE),
            "observer.jwt": jwt.make_user(system, office, OFFICE),
            PLAN_FILE: self.plan.to_toml(),
        }
        self._write(
            {
                "authority.pem": authority.pem,
                "authority.key": authority.key_pem,
                "office.pem": authority.issue_client(OFFICE, key.public_key()),
                "office.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
                **{file: text.encode() for file, text in texts.items()},
            }
        )
        for place in self.plan.places:
            certificate, private_key = authority.issue_server(place.address.host)
            folder = f"{SERVERS}/{place.name}"
            self._write(
                {
                    f"{folder}/{AUTHORITY}": authority.pem,
                    f"{folder}/{CERTIFICATE}": certificate,
                    f"{folder}/{PRIVATE_KEY}": private_key,
                }
            )
        self.write_servers()

    def _render_servers(self) -> dict[str, bytes]:
        system = self._read_key("system", KeyKind.A).public
        tokens = ServerTokens(
            self._read_text("operator.jwt"),
            system,
            {
                system: self._read_text("system.jwt"),
                self.account.public: self.account_token,
                **self.make_other_tokens(self.account_token),
            },
            self._read_text("cluster.secret"),
        )
        return {
            f"{SERVERS}/{place.name}/{CONFIGURATION}": render_configuration(self.plan, place, tokens).encode()
            for place in self.plan.places
        }

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each at once or not at all. Raises `StateError`."""
        for name, content in files.items():
            file = self.path / name
            try:
                for folder in reversed(file.relative_to(self.path).parents[:-1]):
                    (self.path / folder).mkdir(mode=0o700, exist_ok=True)
                write_private(file, content)
            except OSError as exc:
                raise StateError(
                    message("{path}: cannot be written: {reason}", path=file, reason=describe_error(exc))
                ) from exc

    def _read(self, name: str) -> bytes:
        file = self.path / name
        try:
            return file.read_bytes()
        except OSError as exc:
            raise StateError(
                message(
                    "{path}: cannot be read: {reason}; bring it back from your copy of the head office's folder",
                    path=file,
                    reason=describe_error(exc),
                )
            ) from exc

    def _read_text(self, name: str) -> str:
        """Return what servers are given as it is: they would take an empty password, too. Raises `StateError`."""
        text = self._read(name).decode("ascii", "replace").strip()
        if not _TEXTS[name].fullmatch(text):
            raise self._damaged(name, ValueError(message("it was cut off, or changed")))
        return text

    def _read_key(self, name: str, kind: KeyKind) -> SigningKey:
        file = f"{name}.nk"
        try:
            return SigningKey.parse(self._read(file).decode("ascii"), kind)
        except ValueError as exc:
            raise self._damaged(file, exc) from exc

    def _damaged(self, name: str, reason: Exception) -> StateError:
        return StateError(
            message(
                "{path} is damaged: {reason}; bring it back from your copy of the head office's folder",
                path=self.path / name,
                reason=describe_error(reason),
            )
        )


@contextlib.contextmanager
def _make_exclusive(folder: Path) -> Iterator[None]:
    """Make an empty folder, and remove it at the end if it is still there; what a power cut has left in it goes.

    Raises `StateError` while another process does the same: two of them would mix their keys. Raises `OSError`.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32":
            import fcntl

            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = os.path.samestat(os.fstat(opened), folder.stat())
            except (BlockingIOError, FileNotFoundError):
                is_ours = False
            if not is_ours:
                raise StateError(
                    message("{path} is being made by another `sunmi-gateway office init`: wait for that", path=folder)
                )
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
