"""The supervisor restarts services, reports jobs, and logs each trouble once."""

import asyncio
import logging

import pytest

from firmware_tools.language import Language, message, translate
from gateway.errors import StateError
from gateway.runtime.supervisor import Service, Supervisor, TaskReport
from tests.waiting import until


def only(supervisor: Supervisor) -> TaskReport:
    [report] = supervisor.reports()
    return report


class Failing:
    """A service that fails until it is repaired."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.runs = 0
        self.failed = asyncio.Event()
        self.repaired = asyncio.Event()
        self.worked = asyncio.Event()

    async def run(self, service: Service) -> None:
        self.runs += 1
        if self.runs > 3:
            self.failed.set()
        if not self.repaired.is_set():
            raise self.failure
        service.heartbeat()
        self.worked.set()
        service.pause()
        await asyncio.Event().wait()


async def test_a_failed_service_is_restarted_and_logged_at_its_beginning_and_its_end(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work = Failing(KeyError("nobody foresaw this"))
    supervisor.start_service("worker", work.run)
    await work.failed.wait()
    report = only(supervisor)
    assert (report.state, report.last_success_age_s) == ("failing", None)
    assert report.failures >= 3
    assert "nobody foresaw this" in (report.last_failure or "")
    work.repaired.set()
    await work.worked.wait()
    assert only(supervisor).state == "running"
    begins, ends = [record for record in caplog.records if "worker" in record.message]
    assert begins.exc_info is not None
    assert ends.message.startswith("resolved: ")


async def test_why_a_service_fails_can_be_shown_in_another_language(supervisor: Supervisor) -> None:
    work = Failing(StateError(message("{path} can be used", path="x")))
    supervisor.start_service("worker", work.run)
    await work.failed.wait()
    assert translate(only(supervisor).last_failure or "", Language.CHINESE) == "x 可以使用"


async def test_a_service_that_goes_on_by_itself_is_reported_as_failing_until_it_works(supervisor: Supervisor) -> None:
    runs, noted, repaired, worked = 0, asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(service: Service) -> None:
        nonlocal runs
        runs += 1
        service.note_failure(StateError("the other end is away"))
        noted.set()
        await repaired.wait()
        service.heartbeat()
        worked.set()
        await asyncio.Event().wait()

    supervisor.start_service("worker", run)
    await noted.wait()
    assert (only(supervisor).state, only(supervisor).last_failure) == ("failing", "the other end is away")
    repaired.set()
    await worked.wait()
    assert (only(supervisor).state, only(supervisor).failures, runs) == ("running", 1, 1)


async def test_a_foreseen_failure_is_logged_without_a_traceback(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    work = Failing(StateError("the disk is full"))
    supervisor.start_service("worker", work.run)
    await work.failed.wait()
    [record] = caplog.records
    assert record.exc_info is None
    assert only(supervisor).last_failure == "the disk is full"


async def test_another_type_of_failure_is_logged_with_its_own_traceback(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    work = Failing(StateError("the disk is full"))
    supervisor.start_service("worker", work.run)
    await work.failed.wait()
    work.failure, work.runs = ValueError("a bug"), 0
    work.failed.clear()
    await work.failed.wait()
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]


async def test_a_service_that_hangs_is_restarted(supervisor: Supervisor) -> None:
    runs = asyncio.Semaphore(0)

    async def hang(_: Service) -> None:
        runs.release()
        await asyncio.Event().wait()

    supervisor.start_service("worker", hang, max_turn_s=0.01)
    for _ in range(3):
        await runs.acquire()
    assert "no turn was completed within 0.01 s" in (only(supervisor).last_failure or "")


async def test_a_pause_is_no_silence(supervisor: Supervisor) -> None:
    ends = asyncio.Event()

    async def wait(service: Service) -> None:
        service.pause()
        await ends.wait()
        service.heartbeat()
        await asyncio.Event().wait()

    supervisor.start_service("waiter", wait, max_turn_s=0.05)

    runs = asyncio.Semaphore(0)

    async def hang(_: Service) -> None:
        runs.release()
        await asyncio.Event().wait()

    supervisor.start_service("other", hang, max_turn_s=0.05)
    for _ in range(3):
        await runs.acquire()
    assert next(one for one in supervisor.reports() if one.name == "waiter").failures == 0


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_service_that_ends_is_restarted(supervisor: Supervisor, cancelled: bool) -> None:
    runs = asyncio.Semaphore(0)

    async def end(_: Service) -> None:
        runs.release()
        if cancelled:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    supervisor.start_service("worker", end)
    for _ in range(3):
        await runs.acquire()
    assert only(supervisor).failures >= 2


async def test_periodic_work_goes_on_after_a_failure(supervisor: Supervisor) -> None:
    turns = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise RuntimeError("once")
        if turns == 5:
            enough.set()

    supervisor.start_periodic("worker", work, interval_s=0.001)
    await enough.wait()
    report = only(supervisor)
    assert report.failures == 1
    assert report.last_failure == "RuntimeError: once"


async def test_periodic_work_that_failed_is_tried_again_before_its_interval(supervisor: Supervisor) -> None:
    tried = asyncio.Semaphore(0)

    async def work() -> None:
        tried.release()
        raise RuntimeError("always")

    supervisor.start_periodic("worker", work, interval_s=3600, run_at_start=True)
    for _ in range(3):
        await tried.acquire()


async def test_a_stopped_service_stays_stopped(supervisor: Supervisor) -> None:
    work = Failing(RuntimeError("no"))
    service = supervisor.start_service("worker", work.run)
    await work.failed.wait()
    await service.stop()
    runs = work.runs
    await asyncio.sleep(0.05)
    assert work.runs == runs
    assert only(supervisor).state == "stopped"


async def test_a_name_stands_for_one_running_service(supervisor: Supervisor) -> None:
    work = Failing(RuntimeError("no"))
    service = supervisor.start_service("worker", work.run)
    with pytest.raises(ValueError, match="runs already"):
        supervisor.start_service("worker", work.run)
    await service.stop()
    supervisor.start_service("worker", work.run)


async def test_a_failed_job_is_reported_and_not_restarted(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    runs = 0

    async def work(failure: Exception | None) -> int:
        nonlocal runs
        runs += 1
        if failure is not None:
            raise failure
        return runs

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await supervisor.start_job("delivery", work(RuntimeError("no")))
    report = only(supervisor)
    assert (report.kind, report.state, report.failures, runs) == ("job", "failing", 2, 2)
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert await supervisor.start_job("delivery", work(None)) == 3
    await asyncio.sleep(0)
    assert only(supervisor).state == "running"


async def test_closing_stops_services_and_jobs(supervisor: Supervisor) -> None:
    async def forever(_: object = None) -> None:
        await asyncio.Event().wait()

    supervisor.start_service("service", forever)
    job = supervisor.start_job("job", forever())
    await supervisor.close()
    assert job.cancelled()
    assert all(not task.get_name().startswith("service") for task in asyncio.all_tasks())


async def test_only_vital_services_that_do_not_work_are_silent(supervisor: Supervisor) -> None:
    broken, full, other = Failing(RuntimeError("a bug")), Failing(StateError("full")), Failing(RuntimeError("a bug"))
    supervisor.start_service("broken", broken.run, vital=True)
    supervisor.start_service("full", full.run, vital=True)
    supervisor.start_service("other", other.run)
    await until(lambda: supervisor.silent_vital_services(0.5) == ["broken"])  # a busy machine keeps the others waiting
    broken.repaired.set()
    await broken.worked.wait()
    await until(lambda: supervisor.silent_vital_services(0.5) == [])


async def test_a_part_may_remove_its_service_while_all_are_stopped() -> None:
    supervisor, begun = Supervisor(), asyncio.Event()

    async def wait(_: Service) -> None:
        await asyncio.Event().wait()

    async def run(_: Service) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await supervisor.remove_service(other)

    supervisor.start_service("part", run)
    other = supervisor.start_service("other", wait)
    supervisor.start_service("last", wait)
    await begun.wait()
    await supervisor.close()
    assert "other" not in [report.name for report in supervisor.reports()]
