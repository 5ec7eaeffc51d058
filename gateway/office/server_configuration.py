"""The configuration of the NATS servers of a chain.

A server names its files by where they are from its own folder, in which it is started: the folder can be copied to any
machine. Shops, permissions and revocations are in tokens, so nothing here changes with the shops.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.office.plan import ChainPlan, ServerPlace

CONFIGURATION: Final = "server.conf"
CERTIFICATE: Final = "server.pem"
PRIVATE_KEY: Final = "server.key"
AUTHORITY: Final = "ca.pem"
STREAMS: Final = "jetstream"
"""Where a server keeps streams and buckets."""
TOKENS: Final = "accounts"
"""Where a server keeps the tokens of accounts."""
MAX_PAYLOAD_BYTES: Final = 1024 * 1024
HANDSHAKE_TIMEOUT_S: Final = 20
"""How long a handshake may take. By default it is 2 seconds: when a server dies, thousands of shops come at once."""
CONSUMER_TIMEOUT: Final = "1h"
"""How long a subscription by MQTT is kept that its reader has left behind."""
_CLUSTER_USER: Final = "server"
_ACCOUNT_TOKENS: Final = "resolver_preload"


class ServerTokens(NamedTuple):
    """What a server has to know of a chain."""

    operator: str
    """The operator's token: the servers trust whom it signs."""
    system_account: str
    """The public key of the servers' own account."""
    accounts: Mapping[str, str]
    """The tokens of the accounts, by public key: with what a server begins."""
    cluster_password: str
    """How servers know each other: a shop's certificate is good for TLS with them, too."""


def differs_beyond_tokens(before: bytes, after: bytes) -> bool:
    """Return whether a configuration says something else than the one before, apart from the accounts' tokens."""
    try:
        earlier, later = json.loads(before), json.loads(after)
        return bool(earlier | {_ACCOUNT_TOKENS: None} != later | {_ACCOUNT_TOKENS: None})
    except (ValueError, TypeError):  # somebody has written it by hand, or it is not there
        return True


def render_configuration(plan: ChainPlan, place: ServerPlace, tokens: ServerTokens) -> str:
    """Return the configuration of one server. Its syntax is a superset of JSON."""
    host = place.address.listen_host
    tls = {
        "cert_file": CERTIFICATE,
        "key_file": PRIVATE_KEY,
        "ca_file": AUTHORITY,
        "verify": True,
        "min_version": "1.3",
        "timeout": HANDSHAKE_TIMEOUT_S,
    }
    document: dict[str, Any] = {
        "server_name": place.name,
        "listen": f"{host}:{place.address.port}",
        "client_advertise": str(place.address),
        "max_payload": MAX_PAYLOAD_BYTES,
        "tls": tls | {"handshake_first": True},
        "authorization": {"timeout": HANDSHAKE_TIMEOUT_S},
        # By default a server takes what is free when it starts: less after each start, until it stores nothing more.
        "jetstream": {"store_dir": STREAMS, "sync_interval": "always", "max_file_store": plan.storage_bytes},
        "operator": tokens.operator,
        "system_account": tokens.system_account,
        "resolver": {"type": "full", "dir": TOKENS, "allow_delete": False, "interval": "2m"},
        _ACCOUNT_TOKENS: tokens.accounts,
    }
    if place.mqtt_port is not None:
        document["mqtt"] = {
            "listen": f"{host}:{place.mqtt_port}",
            # A server stores what comes with QoS 2 before it looks whether that is allowed.
            "reject_qos2_publish": True,
            "consumer_inactive_threshold": CONSUMER_TIMEOUT,
            "tls": tls,
        }
    others = [one for one in plan.places if one.name != place.name]
    if others:
        document["cluster"] = {
            "name": plan.name,
            "listen": f"{host}:{place.cluster_port}",
            "authorization": {
                "user": _CLUSTER_USER,
                "password": tokens.cluster_password,
                "timeout": HANDSHAKE_TIMEOUT_S,
            },
            "routes": [
                f"nats://{_CLUSTER_USER}:{tokens.cluster_password}@{one.address.host}:{one.cluster_port}"
                for one in others
            ],
            "tls": tls,
            "no_advertise": True,
        }
    return json.dumps(document, indent=2) + "\n"
