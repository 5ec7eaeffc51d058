"""The commands that a head office has given: which of them are remembered, and how much of what shops returned."""

from collections.abc import Sequence
from typing import Any

import pytest
from nats.aio.msg import Msg

from gateway.errors import NotFound, Overloaded
from gateway.fleet.documents import CommandRequest, CommandResponse
from gateway.fleet.subjects import command_subject
from gateway.office_site import command_runs
from gateway.office_site.command_runs import MAX_RUNS, CommandRuns
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.waiting import until


async def test_the_oldest_that_are_over_are_forgotten_once_there_are_too_many(office: HeadOffice) -> None:
    supervisor = Supervisor()
    async with office.connect() as connected:
        runs = CommandRuns(supervisor, PeerClock())
        given = []
        for _ in range(MAX_RUNS + 1):
            given.append(runs.start(connected, "doctor", {}, ()))
            await until(lambda: given[-1].is_over)
    assert [runs.get(one.id) for one in given[1:]] == given[1:]
    with pytest.raises(NotFound, match="no command"):
        runs.get(given[0].id)


async def test_too_many_that_wait_for_shops_are_refused(office: HeadOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_runs, "MAX_UNDER_WAY", 2)
    supervisor = Supervisor()
    async with office.connect() as connected:
        runs = CommandRuns(supervisor, PeerClock())
        for _ in range(2):
            runs.start(connected, "doctor", {}, ["hamburg-1"])
        with pytest.raises(Overloaded, match="2 commands are under way already"):
            runs.start(connected, "doctor", {}, ["hamburg-1"])
        await supervisor.close()


async def test_results_take_bounded_memory_and_the_newest_are_kept(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_runs, "MAX_RESULT_BYTES", 5000)
    supervisor = Supervisor()

    async def respond(received: Msg) -> None:
        request = CommandRequest.model_validate_json(received.data)
        response = CommandResponse(id=request.id, outcome="done", result={"base64": "x" * 2000})
        await received.respond(response.model_dump_json().encode())

    def read(run: command_runs.CommandRun) -> Sequence[dict[str, Any]]:
        return list(run.describe()["calls"])

    async with office.connect() as connected, office.client("hamburg-1") as first, office.client("hamburg-2") as second:
        for shop, client in (("hamburg-1", first), ("hamburg-2", second)):
            await client.subscribe(command_subject(shop), cb=respond)
            await client.flush()
        runs = CommandRuns(supervisor, PeerClock())
        given = []
        for shops in (["hamburg-1", "hamburg-2"], ["hamburg-1"]):
            given.append(runs.start(connected, "support_bundle", {}, shops))
            await until(lambda: given[-1].is_over)
    dropped, kept = read(given[0])
    assert (dropped["outcome"], dropped["result"], "newer" in dropped["reason"]) == ("done", {}, True)
    assert [(one["reason"], len(one["result"]["base64"])) for one in (kept, *read(given[1]))] == [("", 2000)] * 2
