"""Other systems of a chain that read what its shops send.

Each has a key, a token for reading alone, a record in the bucket `office`, and a consumer of the stream of events,
whose place the servers remember. A system that reads by MQTT has no consumer: it gets what happens while it is
connected.
"""

import contextlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import nats.js.errors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.fleet.subjects import EVENTS, OFFICE, SHOP_NAME
from gateway.office import jwt
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket, Entry, RevisionConflict
from gateway.office.connections import read_connections
from gateway.office.nkey import KeyKind, SigningKey, encode_public_key
from gateway.office.office import Office, translated
from gateway.office.revocation import revoke

ACK_WAIT_S: Final = 60
"""How long a reader has to store an event, before it is delivered again."""
MAX_UNACKNOWLEDGED: Final = 5000
"""How many events are under way to a reader at the same time."""
MAX_READERS: Final = 100
"""How many readers there are at most."""
AUTHORITY: Final = "ca.pem"
"""The name of the file with the chain's authority."""
_KEY_PREFIX: Final = "reader."
"""How the keys of the records begin."""


class ReaderRecord(BaseModel):
    """A reader: the key `reader.NAME` of the bucket `office`."""

    model_config = ConfigDict(frozen=True)

    public_key: str = Field(description="Its public key, as the servers write it.")
    mqtt: bool = Field(description="Whether it reads by MQTT.")


class Reader(NamedTuple):
    """What is known of a reader."""

    name: str
    """Its name."""
    mqtt: bool
    """Whether it reads by MQTT."""
    added_at: str
    """When it was added, in UTC, by the clock of the servers."""
    connected_since: str | None
    """Since when it is connected, in UTC; None if it is not, or reads by MQTT: the servers do not say who does that."""
    waiting: int | None
    """How many events it has not read yet; None if it reads by MQTT, which keeps none for it."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self._asdict()


class ReaderKey(NamedTuple):
    """The key of a reader."""

    pem: bytes
    """The private key in PEM."""
    seed: str
    """The private key as the tools of the servers write it."""
    public: str
    """The public key as the servers write it."""


async def add_reader(office: Office, name: str, *, mqtt: bool) -> Mapping[str, bytes]:
    """Let another system read; return its files by name.

    Raises `InvalidRequest` for what is no name, `Conflict` if there is a reader of that name or there are too many,
    and `HeadOfficeUnavailable`.
    """
    if not re.fullmatch(SHOP_NAME, name):
        raise InvalidRequest([FieldError("name", message("must have 1 to 64 letters, digits, - or _"))])
    bucket = Bucket(office, OFFICE)
    if len(await _read_records(bucket)) >= MAX_READERS:
        raise Conflict(
            message(
                "there are {count} readers already: revoke one with `sunmi-gateway office readers revoke NAME`",
                count=MAX_READERS,
            )
        )
    key, chain = Ed25519PrivateKey.generate(), office.folder
    made = _describe_key(key)
    before = await bucket.get(_KEY_PREFIX + name)
    try:
        if before.value is not None:
            raise RevisionConflict(name)
        record = ReaderRecord(public_key=made.public, mqtt=mqtt)
        revision = await bucket.put(_KEY_PREFIX + name, record.model_dump_json().encode(), before.revision)
    except RevisionConflict as exc:
        raise Conflict(
            message("there is a reader {name} already: choose another name, or revoke that one", name=name)
        ) from exc
    if not mqtt:
        await _add_consumer(office, name)
    await record_change(office, "reader_add", name, revision=revision, mqtt=mqtt, public_key=made.public)
    token = jwt.make_reader(chain.account, made.public, name, mqtt=mqtt)
    files = {
        AUTHORITY: chain.authority.pem,
        f"{name}.pem": chain.authority.issue_client(name, key.public_key()),
        f"{name}.key": made.pem,
        f"{name}.jwt": token.encode(),
    }
    return files if mqtt else files | {f"{name}.creds": _render_credentials(token, made.seed)}


async def list_readers(office: Office) -> list[Reader]:
    """Return all readers by name. Raises `HeadOfficeUnavailable`, and `StateError` for a damaged record."""
    return [
        Reader(
            name,
            record.mqtt,
            stored_at,
            (await read_connections(office, user=record.public_key)).since.get(record.public_key),
            None if record.mqtt else await _count_waiting(office, name),
        )
        for name, (record, stored_at) in sorted((await _read_records(Bucket(office, OFFICE))).items())
    ]


async def revoke_reader(office: Office, name: str) -> None:
    """End a reader: its connections end at once, it cannot connect again, and its place in the stream is forgotten.

    What was begun before a crash is ended by a second call. Raises `NotFound`, `Conflict` if somebody else does the
    same, `HeadOfficeUnavailable` and `StateError`.
    """
    bucket = Bucket(office, OFFICE)
    entry = Entry("", None, 0, "") if not re.fullmatch(SHOP_NAME, name) else await bucket.get(_KEY_PREFIX + name)
    if entry.value is None:
        raise NotFound(message("no reader is called {name}: `sunmi-gateway office readers list` lists them", name=name))
    await revoke(office, [_parse(entry).public_key])
    with translated(office.folder), contextlib.suppress(nats.js.errors.NotFoundError):
        await office.jetstream.delete_consumer(EVENTS, name)
    try:
        revision = await bucket.delete(entry.key, entry.revision)
    except RevisionConflict as exc:
        raise Conflict(message("somebody else has changed the reader {name} meanwhile: look again", name=name)) from exc
    await record_change(office, "reader_revoke", name, revision=revision)


async def _add_consumer(office: Office, name: str) -> None:
    """Make the consumer of a reader, who gets everything that the stream has. An earlier one of its name is gone."""
    with translated(office.folder):
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await office.jetstream.delete_consumer(EVENTS, name)
        await office.jetstream.add_consumer(
            EVENTS,
            ConsumerConfig(
                durable_name=name,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=MAX_UNACKNOWLEDGED,
            ),
        )


async def _read_records(bucket: Bucket) -> dict[str, tuple[ReaderRecord, str]]:
    """Return the record of each reader and when it was stored, by name. Raises `StateError` for a damaged one."""
    found: dict[str, tuple[ReaderRecord, str]] = {}
    async for entry in bucket.entries(f"{_KEY_PREFIX}*"):
        if entry.value is not None:
            found[entry.key.removeprefix(_KEY_PREFIX)] = (_parse(entry), entry.stored_at)
    return found


def _parse(entry: Entry) -> ReaderRecord:
    try:
        return ReaderRecord.model_validate_json(entry.value or b"")
    except ValidationError as exc:
        what = message("{key} in the bucket {bucket} is damaged: delete it there", key=entry.key, bucket=OFFICE)
        raise StateError(what) from exc


async def _count_waiting(office: Office, name: str) -> int | None:
    """Return how many events a reader has not acknowledged; None if it has no consumer any more."""
    with translated(office.folder):
        try:
            state = await office.jetstream.consumer_info(EVENTS, name)
        except nats.js.errors.NotFoundError:
            return None
    return (state.num_pending or 0) + (state.num_ack_pending or 0)


def _describe_key(key: Ed25519PrivateKey) -> ReaderKey:
    return ReaderKey(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        SigningKey(KeyKind.U, key.private_bytes_raw()).seed,
        encode_public_key(KeyKind.U, key.public_key().public_bytes_raw()),
    )


def _render_credentials(token: str, seed: str) -> bytes:
    """Return token and key in one file, as the tools and clients of the servers read them."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    ).encode()
