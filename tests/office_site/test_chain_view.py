"""What a head office knows in memory, while it is read again and again."""

import asyncio

import pytest

from gateway.errors import Overloaded
from gateway.office_site.chain_view import ChainView
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.waiting import until


async def test_streams_are_counted_and_ended_however_often_the_shops_are_read(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor()
    monkeypatch.setattr("gateway.office_site.chain_view.INTERVAL_S", 0.05)
    async with (
        office.connect() as connected,
        ChainView.open(connected, supervisor) as view,
        asyncio.TaskGroup() as group,
    ):
        with view.open_stream(1):
            paused = group.create_task(view.pause(3600))
            read_at = view._read_at
            await until(lambda: view._read_at != read_at)
            with pytest.raises(Overloaded), view.open_stream(1):
                pass
            await view.close_streams()
            await paused
        with view.open_stream(1):
            pass
    await supervisor.close()
