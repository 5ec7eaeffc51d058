"""Other systems of a chain that read what its shops send.

Each has a key, a token for reading alone, and a consumer of the stream of events, whose place the servers remember. A
system that reads by MQTT has no consumer: it gets what happens while it is connected.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import nats.js.errors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, InvalidRequest
from gateway.fleet.subjects import EVENTS, OFFICE, SHOP_NAME
from gateway.office import jwt
from gateway.office.nkey import KeyKind, SigningKey, encode_public_key
from gateway.office.office import Office

ACK_WAIT_S: Final = 60
"""How long a reader has to store an event, before it is delivered again."""
MAX_UNACKNOWLEDGED: Final = 5000
"""How many events are under way to a reader at the same time."""
AUTHORITY: Final = "ca.pem"
"""The name of the file with the chain's authority."""


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

    Raises `InvalidRequest` for what is no name, `Conflict` if there is a reader of that name, and the errors of the
    client library.
    """
    if not re.fullmatch(SHOP_NAME, name):
        raise InvalidRequest([FieldError("name", message("must have 1 to 64 letters, digits, - or _"))])
    key, chain = Ed25519PrivateKey.generate(), office.folder
    made = _describe_key(key)
    try:
        bucket = await office.jetstream.key_value(OFFICE)
        record = json.dumps({"public_key": made.public, "mqtt": mqtt})
        await bucket.create(f"reader.{name}", record.encode())
    except nats.js.errors.KeyWrongLastSequenceError as exc:
        raise Conflict(message("there is a reader {name} already: choose another name", name=name)) from exc
    if not mqtt:
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
    token = jwt.make_reader(chain.account, made.public, name, mqtt=mqtt)
    files = {
        AUTHORITY: chain.authority.pem,
        f"{name}.pem": chain.authority.issue_client(name, key.public_key()),
        f"{name}.key": made.pem,
        f"{name}.jwt": token.encode(),
    }
    return files if mqtt else files | {f"{name}.creds": _render_credentials(token, made.seed)}


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
