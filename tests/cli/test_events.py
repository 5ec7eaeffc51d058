"""Commands for events: what is stored is printed to its end, however far it is to the next one."""

import contextlib
import json
import signal
import sqlite3
from typing import Any

from gateway.events.table import MAX_ROWS_PER_READ
from gateway.settings import load_settings


async def test_the_stored_events_of_a_rare_type_are_printed(command: Any) -> None:
    assert (await command("events", "tail", "--no-follow", "--json")).output == ""
    last = 3 * MAX_ROWS_PER_READ
    kinds = {10: "rare.first", last: "rare.last"}
    path = load_settings(command.config).state_directory / "gateway.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO event VALUES (?, 0, ?, 'gateway', NULL, '{}', NULL, 0, 122, 0)",
            ((number, kinds.get(number, "common")) for number in range(1, last + 1)),
        )
        connection.commit()
    shown = await command("events", "tail", "--no-follow", "--json", "--types", "rare.*")
    assert [json.loads(line)["type"] for line in shown.output.splitlines()] == list(kinds.values())


async def test_following_says_that_it_waits(running: str, command: Any) -> None:
    process = await command.begin("events", "tail")
    assert await process.stderr.readline() == b"waiting for events; Ctrl-C ends\n"
    process.send_signal(signal.SIGINT)
    await process.communicate()
