"""Tokens and sessions of a head office: names, room, and their end."""

import pytest

from gateway.errors import Conflict
from gateway.office.bucket import Bucket
from gateway.office_site import access
from gateway.office_site.access import AccessList
from gateway.runtime.clock import PeerClock
from tests.fleet.cluster import HeadOffice


async def test_where_tokens_take_all_room_nobody_signs_in_and_is_told_so(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MAX_ENTRIES", 2)
    async with office.connect() as connected:
        known = AccessList(connected, PeerClock())
        for name in ("erp", "shop system"):
            await known.create_token(name, "view")
        with pytest.raises(Conflict, match="2 tokens and sessions already"):
            await known.create_session("browser", "view")
        for name in ("erp", "shop system"):
            await known.revoke(name)


async def test_a_session_gets_the_next_number_without_trying_all_before_it(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[str] = []
    change = Bucket.change

    async def note(bucket: Bucket, key: str, *rest: object) -> object:
        changed.append(key)
        return await change(bucket, key, *rest)  # type: ignore[arg-type]

    async with office.connect() as connected:
        known = AccessList(connected, PeerClock())
        for _ in range(3):
            await known.create_session("browser", "view")
        monkeypatch.setattr(Bucket, "change", note)
        await known.create_session("browser", "view")
        assert len(changed) == 1
        names = [one.name for one in known.all()]
        assert names == ["browser", "browser 2", "browser 3", "browser 4"]
        for name in names:
            await known.revoke(name)


async def test_a_session_that_took_the_name_of_an_old_one_is_not_ended_by_another_head_office(
    office: HeadOffice,
) -> None:
    clock = PeerClock()
    clock.set(1_800_000_000)
    async with office.connect() as connected:
        first, second = AccessList(connected, clock), AccessList(connected, clock)
        await first.create_session("browser", "view")
        clock.set(1_800_000_000 + access.SESSION_AGE.total_seconds() + 1)
        await second.refresh()
        await second.store_uses()
        secret = await second.create_session("browser", "view")
        await first.store_uses()  # it has not heard of the new one yet
        await second.refresh()
        assert second.find(secret, "session") is not None
        await second.revoke("browser")
