"""JSON web tokens as NATS signs them, and the claims of operator, account and users.

None expires: the servers would compare that with their clocks, and a shop that was off for a year has to come back.
What ends a user is a revocation, which is a claim of the account.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_tools.language import message
from gateway.fleet.subjects import (
    Passages,
    list_mqtt_subjects,
    list_passages,
    list_reader_passages,
    reader_permissions,
    shop_permissions,
)
from gateway.fleet_settings import SHOP_NAME
from gateway.office.nkey import KeyKind, SigningKey, decode_public_key

MAX_BYTES: Final = 4 * 1024 * 1024
"""No token is longer. A revocation takes some 70 bytes."""
FOREVER: Final = 253_402_300_799
"""A user's tokens are revoked that were issued up to a time. A revoked key never comes back, so it is the last one."""
ANSWER_TIME_NS: Final = 20 * 10**9
"""For how long a server remembers where the answer of a stream to a shop goes, in nanoseconds."""
SHOP_SUBSCRIPTIONS: Final = 64
"""How many subscriptions a connection of a shop has at most: it needs about 30 with 20 groups."""
SHOPS_CONNECTIONS: Final = 60_000
"""How many connections all shops have together. A server takes 65,536: so head office and readers still get in."""
READERS_CONNECTIONS: Final = 1000
"""How many connections all other systems have together, but for those that read by MQTT."""
OFFICE_CONNECTIONS: Final = 4000
"""How many connections the head office and all systems that read by MQTT have together: the servers know no limit for
one user. So all accounts fit into one server, and whoever opens connections without end keeps no shop out."""
READER_SUBSCRIPTIONS: Final = 64
"""How many subscriptions a connection of another system has at most: it needs three."""
STREAM_CONSUMERS: Final = 256
"""How many consumers a stream has at most: that of events one for each reader, and the servers make one in a stream of
their own for each subscription by MQTT with QoS 1."""
USER_NAME: Final = "{{name()}}"
"""In place of this the servers put the name of each user."""

_VERSION: Final = 2
_NO_LIMIT: Final = -1
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


def make_operator(name: str, key: SigningKey, system_account: str) -> str:
    """Return the token of the operator, whom the servers trust: it names the account of the system."""
    return _encode(key, key.public, name, {"type": "operator", "system_account": system_account})


def make_system_account(operator: SigningKey, public_key: str) -> str:
    """Return the token of the servers' own account."""
    return _encode(operator, public_key, "system", _account_claims(_limits(has_streams=False), ()))


def make_account(operator: SigningKey, public_key: str, name: str, *, revoked: Collection[str], issued_at: int) -> str:
    """Return the token of the account with the streams, in which the head office and readers by MQTT are.

    `revoked` has the public keys of users that may not connect, `issued_at` is in Unix seconds: servers keep the
    newest token.
    """
    # One service for all that shops and readers send: a server lets the answer to a message of a service not come back
    # as another message of it, so that no shop can have an answer delivered as what another shop has sent.
    exports = [
        {"name": "up", "subject": ">", "type": "service", "response_threshold": ANSWER_TIME_NS},
        *(
            {"name": subject, "subject": subject, "type": "stream"}
            for subject in (*list_passages().down, *list_reader_passages().down)
        ),
    ]
    limits = _limits(has_streams=True) | {"conn": OFFICE_CONNECTIONS}
    claims = _account_claims(limits, revoked) | {"exports": exports}
    return _encode(operator, public_key, name, claims, issued_at=issued_at)


def make_shops_account(
    operator: SigningKey,
    public_key: str,
    name: str,
    *,
    streams: str,
    shops_key: str,
    revoked: Collection[str],
    issued_at: int,
) -> str:
    """Return the token of the account in which the shops are, and which has no streams.

    `streams` is the public key of the account that has them. A user whose token `shops_key` has signed may do what a
    shop may. `revoked` and `issued_at` are as in `make_account`.
    """
    allowed, passages = shop_permissions(USER_NAME), list_passages()
    # Who could respond to whatever he got could send a message to himself, and name any subject for the response.
    template = {
        "pub": {"allow": [*allowed.publish]},
        "sub": {"allow": [*allowed.subscribe]},
        "allowed_connection_types": ["STANDARD"],
        **_user_limits(),
        "subs": SHOP_SUBSCRIPTIONS,
    }
    limits = _limits(has_streams=False) | {"conn": SHOPS_CONNECTIONS}
    claims = _account_claims(limits, revoked) | {
        "imports": _describe_imports(passages, streams),
        "signing_keys": [{"kind": "user_scope", "key": shops_key, "role": "shop", "template": template}],
    }
    return _encode(operator, public_key, f"{name}-shops", claims, issued_at=issued_at)


def make_readers_account(
    operator: SigningKey, public_key: str, name: str, *, streams: str, revoked: Collection[str], issued_at: int
) -> str:
    """Return the token of the account in which the chain's other systems are, and which has no streams.

    All arguments are as in `make_shops_account`.
    """
    limits = _limits(has_streams=False) | {"conn": READERS_CONNECTIONS}
    claims = _account_claims(limits, revoked) | {"imports": _describe_imports(list_reader_passages(), streams)}
    return _encode(operator, public_key, f"{name}-readers", claims, issued_at=issued_at)


def make_user(account: SigningKey, public_key: str, name: str) -> str:
    """Return the token of a user who may do everything in an account."""
    return _encode(account, public_key, name, {"type": "user", "pub": {}, "sub": {}, **_user_limits()})


def make_reader(readers: SigningKey, public_key: str, name: str, delivery: str) -> str:
    """Return the token of another system of the chain, whose consumer sends to the subject `delivery`."""
    allowed = reader_permissions(name, delivery)
    claims = {
        "type": "user",
        "pub": {"allow": [*allowed.publish]},
        "sub": {"allow": [*allowed.subscribe]},
        "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
        **_user_limits(),
        "subs": READER_SUBSCRIPTIONS,
    }
    return _encode(readers, public_key, name, claims)


def make_mqtt_reader(account: SigningKey, public_key: str, name: str) -> str:
    """Return the token of a system that reads by MQTT, and sends nothing.

    It is a password, since MQTT has no nonce to sign. The servers keep sessions in streams of the user's account.
    """
    claims = {
        "type": "user",
        "pub": {"deny": [">"]},
        "sub": {"allow": [*list_mqtt_subjects()]},
        "bearer_token": True,
        "allowed_connection_types": ["MQTT", "MQTT_WS"],
        **_user_limits(),
        "subs": READER_SUBSCRIPTIONS,
    }
    return _encode(account, public_key, name, claims)


def make_shop(shops: SigningKey, public_key: str, shop: str, account: str) -> str:
    """Return the token of a shop, which says nothing of what it may do: the account says that."""
    return _encode(shops, public_key, shop, {"type": "user", "issuer_account": account})


def read_account(token: str, operator: str, account: str) -> tuple[int, frozenset[str]]:
    """Return when an account's token was issued, in Unix seconds, and which users it revokes.

    Raises `ValueError` unless the operator has signed it for this account.
    """
    claims = _decode(token)
    issued_at, nats = claims.get("iat"), claims.get("nats")
    if claims.get("iss") != operator or claims.get("sub") != account:
        raise ValueError(message("it is of another operator or account"))
    revocations = nats.get("revocations") if isinstance(nats, dict) else None
    if not isinstance(issued_at, int) or not isinstance(revocations or {}, dict):
        raise ValueError(message("its claims cannot be read"))
    return issued_at, frozenset(revocations or ())


def read_shop(token: str, issuer: str) -> tuple[str, str]:
    """Return the public key and the name of a shop. Raises `ValueError` unless the key for shops has signed it."""
    claims = _decode(token, KeyKind.A)
    shop = claims.get("name")
    if claims["iss"] != issuer or not isinstance(shop, str) or not re.fullmatch(SHOP_NAME, shop):
        raise ValueError(message("it is no token of a shop"))
    return str(claims.get("sub")), shop


def _describe_imports(passages: Passages, streams: str) -> list[dict[str, str]]:
    """Return what an account takes from that of the streams."""
    return [
        {"name": subject, "subject": subject, "account": streams, "type": kind}
        for kind, subjects in (("service", passages.up), ("stream", passages.down))
        for subject in subjects
    ]


def _account_claims(limits: Mapping[str, Any], revoked: Collection[str]) -> dict[str, Any]:
    return {
        "type": "account",
        "limits": limits,
        "default_permissions": {"pub": {}, "sub": {}},
        "imports": [],
        "exports": [],
        "revocations": dict.fromkeys(sorted(revoked), FOREVER),
    }


def _limits(*, has_streams: bool) -> dict[str, Any]:
    unlimited = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    limits: dict[str, Any] = dict.fromkeys(unlimited, _NO_LIMIT) | {"wildcards": True}
    if has_streams:
        limits |= dict.fromkeys(("mem_storage", "disk_storage", "streams"), _NO_LIMIT) | {"consumer": STREAM_CONSUMERS}
    return limits


def _user_limits() -> dict[str, int]:
    return dict.fromkeys(("subs", "data", "payload"), _NO_LIMIT)


def _encode(
    issuer: SigningKey, subject: str, name: str, claims: Mapping[str, Any], *, issued_at: int | None = None
) -> str:
    document = {
        "iat": int(time.time()) if issued_at is None else issued_at,
        "iss": issuer.public,
        "name": name,
        "sub": subject,
        "nats": {**claims, "version": _VERSION},
    }
    digest = hashlib.sha256(_dump(document)).digest()
    document["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = f"{_to_text(_dump(_HEADER))}.{_to_text(_dump(document))}"
    return f"{signed}.{_to_text(issuer.sign(signed.encode()))}"


def _decode(token: str, kind: KeyKind = KeyKind.O) -> dict[str, Any]:
    """Return the claims of a token that its issuer has signed. Raises `ValueError`."""
    if len(token) > MAX_BYTES or token.count(".") != 2:
        raise ValueError(message("it is no token"))
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(_from_text(part)) for part in signed.split("."))
    if header != _HEADER or not isinstance(claims, dict) or not isinstance(claims.get("iss"), str):
        raise ValueError(message("it is no token of NATS"))
    issuer = Ed25519PublicKey.from_public_bytes(decode_public_key(claims["iss"], kind))
    try:
        issuer.verify(_from_text(signature), signed.encode())
    except InvalidSignature as exc:
        raise ValueError(message("its signature is wrong")) from exc
    return claims


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _from_text(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
