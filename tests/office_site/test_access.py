"""Tokens and sessions where three servers hold them, of which some lag behind."""

from pathlib import Path

import pytest

from gateway.office_site.access import AccessList
from gateway.runtime.clock import PeerClock
from tests.fleet.cluster import HeadOffice

ROUNDS = 200
"""Of so many, several were read from a server that did not have them yet."""


@pytest.mark.slow
async def test_a_session_counts_at_once_and_a_token_no_more(tmp_path: Path) -> None:
    office = HeadOffice(tmp_path)
    await office.start()
    try:
        async with office.connect() as connected:
            access = AccessList(connected, PeerClock())
            for _ in range(ROUNDS):
                secret = await access.create_session("browser", "view")
                assert access.find(secret, "session") is not None
                await access.revoke("browser")
                assert access.find(secret, "session") is None
    finally:
        await office.stop()
