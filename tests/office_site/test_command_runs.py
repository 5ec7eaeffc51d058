"""The commands that a head office has given: which of them are remembered."""

import pytest

from gateway.errors import NotFound
from gateway.office_site.command_runs import MAX_RUNS, CommandRuns
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.waiting import until


async def test_the_oldest_that_are_over_are_forgotten_once_there_are_too_many(office: HeadOffice) -> None:
    supervisor = Supervisor()
    async with office.connect() as connected:
        runs = CommandRuns(supervisor)
        given = []
        for _ in range(MAX_RUNS + 1):
            given.append(runs.start(connected, "doctor", {}, ()))
            await until(lambda: given[-1].is_over)
    assert [runs.get(one.id) for one in given[1:]] == given[1:]
    with pytest.raises(NotFound, match="no command"):
        runs.get(given[0].id)
