"""Copies the events of all shops into a database, each once: python read_events.py HOST:PORT,… FOLDER NAME DATABASE."""

import asyncio
import base64
import json
import sqlite3
import ssl
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nats.aio.msg import Msg

from gateway.fleet.client import FleetClient  # one file that can be copied: the library stops at what is no UTF-8


def read(message: Msg) -> tuple[str, str, str] | None:
    """Return id, subject and payload; None for what no gateway sends. The servers vouch for the shop in the subject."""
    event_id, shop = (message.headers or {}).get("Nats-Msg-Id", ""), message.subject.split(".")[2]
    try:
        return (event_id, message.subject, message.data.decode()) if event_id.startswith(f"{shop}/") else None
    except UnicodeDecodeError:
        return None


async def main(servers: str, folder: str, name: str, file: str) -> None:
    tls = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    tls.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    token = Path(f"{folder}/{name}.jwt").read_bytes()
    key: Any = load_pem_private_key(Path(f"{folder}/{name}.key").read_bytes(), None)  # of Ed25519
    client = FleetClient()
    await client.connect(
        [f"tls://{server}" for server in servers.split(",")], max_reconnect_attempts=-1,
        tls=tls, tls_handshake_first=True, inbox_prefix=f"_INBOX.{name}",
        user_jwt_cb=lambda: token, signature_cb=lambda nonce: base64.b64encode(key.sign(nonce.encode())),
    )  # fmt: skip
    consumer = json.loads(Path(f"{folder}/{name}.json").read_bytes())
    subscription = await client.subscribe(consumer["subject"])
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, subject TEXT, payload TEXT)")
    while True:
        messages = [await subscription.next_msg(timeout=None)]
        while subscription.pending_msgs and len(messages) < 100:
            messages.append(await subscription.next_msg())
        rows = [row for one in messages if (row := read(one)) is not None]
        database.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?)", rows)  # one that comes again is there
        database.commit()
        for message in messages:  # the servers remember the place
            await message.ack()


asyncio.run(main(*sys.argv[1:]))
