"""Other systems of a chain that read what its shops send.

Each has a key, a token for reading alone, a record in the bucket `office`, and a consumer of the stream of events,
whose place the servers remember. They are in an account of their own without streams, since a stream sends its answer
to whatever subject is asked for. A consumer sends to a subject: one that is asked would answer a request many times,
and between accounts a request has one answer. A system that reads by MQTT has no consumer: it gets what happens while
it is connected, and sends nothing.
"""

import contextlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import nats.js.errors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import EVENTS, OFFICE, delivery_subject
from gateway.fleet_settings import SHOP_NAME
from gateway.office import jwt
from gateway.office.audit import read_keys, record_change
from gateway.office.bucket import Bucket, DamagedEntry, Entry, RevisionConflict
from gateway.office.connections import read_connections
from gateway.office.nkey import KeyKind, SigningKey, encode_public_key
from gateway.office.office import Office, translated
from gateway.office.revocation import read_revoked, revoke

ACK_WAIT_S: Final = 60
"""How long a reader has to store an event, before it is delivered again."""
MAX_UNACKNOWLEDGED: Final = 1000
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
    revoked: bool
    """Whether its key is revoked all the same: the servers' list of readers is of an older backup."""

    @property
    def is_cut_short(self) -> bool:
        """Whether it gets no events, as when it was being added or revoked, and that was killed."""
        return not self.mqtt and self.waiting is None

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

    If it gets no place in the stream, nothing is left of it. Raises `InvalidRequest` for what is no name, `Conflict` if
    there is a reader of that name or there are too many, and `HeadOfficeUnavailable`.
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
    delivery = delivery_subject(secrets.token_hex(16))
    if not mqtt:
        try:
            await _add_consumer(office, name, delivery)
        except HeadOfficeUnavailable as exc:
            raise await _take_back(office, name, revision, exc) from exc
    await record_change(office, "reader_add", name, revision=revision, mqtt=mqtt, public_key=made.public)
    files = {
        AUTHORITY: chain.authority.pem,
        f"{name}.pem": chain.authority.issue_client(name, key.public_key()),
        f"{name}.key": made.pem,
    }
    if mqtt:
        return files | {f"{name}.jwt": jwt.make_mqtt_reader(chain.account, made.public, name).encode()}
    token = jwt.make_reader(chain.readers_account, made.public, name, delivery)
    place = {"stream": EVENTS, "consumer": name, "subject": delivery}
    return files | {
        f"{name}.jwt": token.encode(),
        f"{name}.creds": _render_credentials(token, made.seed),
        f"{name}.json": json.dumps(place).encode(),
    }


async def list_readers(office: Office) -> list[Reader]:
    """Return all readers by name. Raises `HeadOfficeUnavailable`, and `StateError` for a damaged record."""
    revoked = await read_revoked(office)
    records = sorted((await _read_records(Bucket(office, OFFICE))).items())
    since = (await read_connections(office, users=[record.public_key for _, (record, _) in records])).since
    return [
        Reader(
            name,
            record.mqtt,
            stored_at,
            since.get(record.public_key),
            None if record.mqtt else await _count_waiting(office, name),
            record.public_key in revoked,
        )
        for name, (record, stored_at) in records
    ]


async def find_reader(office: Office, name: str) -> Entry:
    """Return the record of a reader. Raises `NotFound` and `HeadOfficeUnavailable`."""
    if re.fullmatch(SHOP_NAME, name):
        entry = await Bucket(office, OFFICE).get(_KEY_PREFIX + name)
        if entry.value is not None:
            return entry
    raise NotFound(message("no reader is called {name}: `sunmi-gateway office readers list` lists them", name=name))


async def revoke_reader(office: Office, name: str) -> None:
    """End a reader: its connections end at once, it cannot connect again, and its place in the stream is forgotten.

    What was begun before a crash is ended by a second call. Raises `NotFound`, `Conflict` if somebody else does the
    same, `HeadOfficeUnavailable` and `StateError`.
    """
    entry = await find_reader(office, name)
    try:
        keys = {_parse(entry).public_key}
    except DamagedEntry:  # which one it has now, only the audit log says
        keys = await read_keys(office, "reader_add", name)
    await revoke(office, keys)
    await _delete_consumer(office, name)
    try:
        revision = await Bucket(office, OFFICE).delete(entry.key, entry.revision)
    except RevisionConflict as exc:
        raise Conflict(message("somebody else has changed the reader {name} meanwhile: look again", name=name)) from exc
    await record_change(office, "reader_revoke", name, revision=revision)


async def _add_consumer(office: Office, name: str, delivery: str) -> None:
    """Make the consumer of a reader, who gets everything that the stream has. An earlier one of its name is gone."""
    await _delete_consumer(office, name)
    with translated(office.folder):
        await office.jetstream.add_consumer(
            EVENTS,
            ConsumerConfig(
                durable_name=name,
                deliver_subject=delivery,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=MAX_UNACKNOWLEDGED,
            ),
        )


async def _delete_consumer(office: Office, name: str) -> None:
    with translated(office.folder), contextlib.suppress(nats.js.errors.NotFoundError):
        await office.jetstream.delete_consumer(EVENTS, name)


async def _take_back(office: Office, name: str, revision: int, failure: HeadOfficeUnavailable) -> HeadOfficeUnavailable:
    """Take back a record whose reader has got no consumer; return what to tell of it.

    The record comes first when a reader is added, since only one of two who add the same name can have it.
    """
    with contextlib.suppress(HeadOfficeUnavailable):  # it may be there, and only the response was lost
        await _delete_consumer(office, name)
    try:
        await Bucket(office, OFFICE).delete(_KEY_PREFIX + name, revision)
    except (HeadOfficeUnavailable, RevisionConflict):
        return HeadOfficeUnavailable(
            message(
                "the reader {name} is listed, but gets no events: run `sunmi-gateway office readers revoke {name}`, "
                "then add it again: {reason}",
                name=name,
                reason=describe_error(failure),
            )
        )
    return HeadOfficeUnavailable(
        message(
            "the reader {name} was not added, since the stream of events has no place for it now; nothing of it is "
            "left, so add it again later: {reason}",
            name=name,
            reason=describe_error(failure),
        )
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
        what = message(
            "the record of the reader {name} is damaged: `sunmi-gateway office readers revoke {name}` locks it out; "
            "then add it again",
            name=entry.key.removeprefix(_KEY_PREFIX),
        )
        raise DamagedEntry(what) from exc


async def _count_waiting(office: Office, name: str) -> int | None:
    """Return how many events a reader has not acknowledged; None if it has no consumer any more."""
    with translated(office.folder):
        try:
            state = await office.read(lambda jetstream: jetstream.consumer_info(EVENTS, name))
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
