"""Copies the events of all shops into a database, each once: python read_events.py HOST:PORT,… FOLDER NAME DATABASE."""

import asyncio
import base64
import contextlib
import sqlite3
import ssl
import sys
from pathlib import Path
from typing import Any

import nats
import nats.errors
from cryptography.hazmat.primitives.serialization import load_pem_private_key


async def main(servers: str, folder: str, name: str, file: str) -> None:
    tls = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    tls.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    token = Path(f"{folder}/{name}.jwt").read_bytes()
    key: Any = load_pem_private_key(Path(f"{folder}/{name}.key").read_bytes(), None)  # of Ed25519
    client = None
    while client is None:
        with contextlib.suppress(TimeoutError):  # the library waits for ever for a server that says nothing
            async with asyncio.timeout(10):
                client = await nats.connect(
                    [f"tls://{server}" for server in servers.split(",")], max_reconnect_attempts=-1,
                    tls=tls, tls_handshake_first=True, inbox_prefix=f"_INBOX.{name}",
                    user_jwt_cb=lambda: token, signature_cb=lambda nonce: base64.b64encode(key.sign(nonce.encode())),
                )  # fmt: skip
    subscription = await client.jetstream().pull_subscribe_bind(consumer=name, stream="events")
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, subject TEXT, payload TEXT)")
    while True:
        try:
            messages = await subscription.fetch(100)
        except (nats.errors.Error, TimeoutError):  # nothing happened for seconds, or the servers choose a leader
            await asyncio.sleep(0.5)
            continue
        rows = [((one.headers or {})["Nats-Msg-Id"], one.subject, one.data.decode()) for one in messages]
        database.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?)", rows)  # one that comes again is there
        database.commit()
        for message in messages:  # the servers remember the place
            await message.ack()


asyncio.run(main(*sys.argv[1:]))
