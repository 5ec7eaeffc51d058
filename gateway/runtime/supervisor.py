"""The supervisor: runs every long-lived task, restarts what fails, and reports it.

There are two kinds of task. A *service* runs for as long as the gateway does. One that fails, ends or falls silent is
restarted after a back-off. A *job* has an end: a provisioning, one batch, one webhook delivery. A failed job is
reported and never restarted here, since that could send something twice.

A service reports each completed turn with `Service.heartbeat`. The log tells the beginning of a trouble, with its
traceback, and its end.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeVar

from firmware_tools.language import describe_error, message, shorten
from gateway.errors import GatewayError, SettingsError, StateError
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog

Kind = Literal["service", "job"]
State = Literal["running", "failing", "stopped"]
T = TypeVar("T")

INITIAL_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 300.0
"""The range of delays before a restart."""
MAX_TURN_S: Final = 120.0
"""How long one turn of a service takes at most, in seconds, where the service does not say."""
_STOP_TIMEOUT_S: Final = 5.0
_MAX_REASON_LENGTH: Final = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskReport:
    """The state of a service, or of all jobs with one name."""

    name: str
    """The name, in words for people."""
    kind: Kind
    """Whether it is a service or a job."""
    state: State
    """`failing` from a failure until it succeeds or waits for work; `stopped` for good."""
    vital: bool
    """Whether the watchdog restarts the gateway when this service has no success for minutes."""
    failures: int
    """How often it failed since the gateway started."""
    last_failure: str | None
    """The last reason, in one line."""
    last_success_age_s: float | None
    """Seconds since the last completed turn or job; None before the first."""

    def describe(self) -> dict[str, Any]:
        """Return its fields as JSON, as `GET /api/v1/status` shows them."""
        return asdict(self)


class _Record:
    """What is known of a service, or of all jobs with one name."""

    def __init__(self, name: str, kind: Kind, *, vital: bool = False) -> None:
        self.name = name
        self.kind = kind
        self.vital = vital
        self.failures = 0
        self.last_failure: str | None = None
        self.last_is_own = False
        """Whether the last failure is one of this program and machine, and not that a line or a device is away."""
        self.stopped = False
        self.succeeded_at: float | None = None
        self.idle = False
        """Whether it waits, with nothing to do."""
        self.alive_at = time.monotonic()
        """When it last began or completed a turn, or failed in a foreseen way: each proves that it works."""
        self._failure_log = FailureLog(_log, f"{kind} {name!r} failed")

    @property
    def failing(self) -> bool:
        return self._failure_log.failing

    def failed(self, failure: BaseException) -> None:
        self.failures += 1
        self.idle = False
        foreseen = isinstance(failure, GatewayError)
        self.last_is_own = not foreseen or isinstance(failure, SettingsError | StateError)
        kind = type(failure).__name__
        reason = (describe_error(failure) or kind) if foreseen else f"{kind}: {str(failure) or kind}"
        self.last_failure = shorten(reason, _MAX_REASON_LENGTH)
        if foreseen:
            self.alive_at = time.monotonic()
        self._failure_log.failed(self.last_failure, failure, traceback=not foreseen)

    def succeeded(self) -> None:
        self.succeeded_at = self.alive_at = time.monotonic()
        self._failure_log.recovered()

    def report(self) -> TaskReport:
        # A restarted service that has nothing to do works, as far as anybody can tell.
        failing = self.failing and not self.idle
        state: State = "stopped" if self.stopped else "failing" if failing else "running"
        age_s = None if self.succeeded_at is None else round(time.monotonic() - self.succeeded_at, 1)
        return TaskReport(self.name, self.kind, state, self.vital, self.failures, self.last_failure, age_s)


class Service:
    """A supervised service; made by `Supervisor.start_service` and `start_periodic`."""

    def __init__(
        self, record: _Record, run: Callable[["Service"], Awaitable[None]], max_turn_s: float, back_off: BackOff
    ) -> None:
        self.record = record
        self.back_off = back_off
        self._run = run
        self._max_turn_s = max_turn_s
        self._deadline: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The name under which it is reported."""
        return self.record.name

    def heartbeat(self) -> None:
        """Report a completed turn. The next one must be reported within the longest turn."""
        self.record.succeeded()
        self.expect_turn()

    def note_failure(self, failure: Exception) -> None:
        """Report a failure after which the service goes on by itself. The next turn is expected all the same."""
        self.record.failed(failure)

    def expect_turn(self) -> None:
        """Begin a turn: fail the service if no heartbeat comes within the longest turn."""
        if self.record.idle:
            self.record.idle = False
            self.record.alive_at = time.monotonic()
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._max_turn_s)

    def pause(self) -> None:
        """End the watch over the turn, before a wait of unknown length. `expect_turn` begins it again."""
        self.record.idle = True
        if self._deadline is not None:
            self._deadline.reschedule(None)

    async def run(self) -> None:
        """Run it once, until it fails, ends or takes too long. It never returns: ending is a failure."""
        self.record.idle = False
        try:
            async with asyncio.timeout(self._max_turn_s) as self._deadline:
                await self._run(self)
        except TimeoutError as exc:
            if self._deadline is not None and self._deadline.expired():
                raise _Silent(message("no turn was completed within {seconds:g} s", seconds=self._max_turn_s)) from exc
            raise
        finally:
            self._deadline = None
        raise _Ended(message("it ended, though it should run for as long as the gateway does"))

    def start(self, keep_running: Coroutine[Any, Any, None]) -> None:
        """Take the task that keeps it running."""
        self._task = asyncio.create_task(keep_running, name=self.name)

    async def stop(self) -> None:
        """Stop it for good. A second call does nothing."""
        self.record.stopped = True
        if self._task is not None:
            await _cancel([self._task])


class _Silent(Exception):
    """A service took too long for a turn."""


class _Ended(Exception):
    """A service returned."""


class Supervisor:
    """Runs the services and jobs of one process."""

    def __init__(self, *, initial_delay_s: float = INITIAL_DELAY_S, max_delay_s: float = MAX_DELAY_S) -> None:
        """Set the range of delays before a restart, in seconds."""
        self._initial_delay_s = initial_delay_s
        self._max_delay_s = max_delay_s
        self._services: dict[str, Service] = {}
        self._jobs: dict[str, _Record] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def start_service(
        self,
        name: str,
        run: Callable[[Service], Awaitable[None]],
        *,
        max_turn_s: float = MAX_TURN_S,
        max_delay_s: float = MAX_DELAY_S,
        vital: bool = False,
    ) -> Service:
        """Start a service. `run` reports each turn to the service that it is given, and never returns.

        The service fails if `run` raises, returns, or needs more than `max_turn_s` seconds for a turn. It is
        restarted after at most `max_delay_s` seconds.
        Raises `ValueError` if a service of that name runs.
        """
        known = self._services.get(name)
        if known is not None and not known.record.stopped:
            raise ValueError(f"the service {name!r} runs already")
        back_off = BackOff(min(self._initial_delay_s, max_delay_s), min(self._max_delay_s, max_delay_s))
        service = self._services[name] = Service(_Record(name, "service", vital=vital), run, max_turn_s, back_off)
        service.start(self._keep_running(service))
        return service

    async def remove_service(self, service: Service) -> None:
        """Stop a service for good and report it no more: what it served is gone."""
        await service.stop()
        if self._services.get(service.name) is service:
            del self._services[service.name]

    def start_periodic(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        *,
        interval_s: float,
        max_turn_s: float = MAX_TURN_S,
        vital: bool = False,
        run_at_start: bool = False,
    ) -> Service:
        """Start a service that does `work` every `interval_s` seconds, counted from the end of one to the next.

        After a failure it waits for the back-off, which is never longer than the interval. `run_at_start` does the
        first work at once.
        """

        async def run(service: Service) -> None:
            if not run_at_start and not service.record.failing:
                await _sleep(service, interval_s)
            while True:
                service.expect_turn()
                await work()
                service.heartbeat()
                await _sleep(service, interval_s)

        return self.start_service(name, run, max_turn_s=max_turn_s, max_delay_s=interval_s, vital=vital)

    def start_job(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a job and return its task. Jobs with the same name are reported together.

        A failure is reported here. Whoever awaits the task gets it, too.
        """
        record = self._jobs.setdefault(name, _Record(name, "job"))

        def finish(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                return
            failure = task.exception()
            if failure is None:
                record.succeeded()
            else:
                record.failed(failure)

        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(finish)
        return task

    def reports(self) -> list[TaskReport]:
        """Return the state of all services and jobs, by name."""
        records = [service.record for service in self._services.values()] + list(self._jobs.values())
        return [
            record.report() for record in sorted(records, key=lambda record: (record.kind != "service", record.name))
        ]

    def find_faults(self) -> list[TaskReport]:
        """Return those that fail through this program or machine, and not because a line or a device is away."""
        records = [service.record for service in self._services.values()] + list(self._jobs.values())
        reports = [record.report() for record in records if record.vital or record.last_is_own]
        return [report for report in reports if report.state == "failing"]

    def silent_vital_services(self, max_silence_s: float) -> list[str]:
        """Return the vital services that have not worked for longer than that.

        A foreseen failure, such as a full disk or a wrong setting, counts as work: a restart mends none of them.
        """
        oldest = time.monotonic() - max_silence_s
        records = [service.record for service in self._services.values()]
        watched = [record for record in records if record.vital and not record.stopped and not record.idle]
        return [record.name for record in watched if record.alive_at < oldest]

    async def close(self) -> None:
        """Stop all services and cancel all jobs."""
        for service in list(self._services.values()):  # a part that ends may remove its own meanwhile
            await service.stop()
        await _cancel(self._tasks)

    async def _keep_running(self, service: Service) -> None:
        while True:
            before = service.record.succeeded_at
            try:
                await service.run()
            except asyncio.CancelledError:
                if service.record.stopped or (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                service.record.failed(_Ended(message("it was cancelled from within")))
            except Exception as exc:
                service.record.failed(exc)
            if service.record.succeeded_at != before:
                service.back_off.reset()
            await asyncio.sleep(service.back_off.next_delay_s())


async def _sleep(service: Service, seconds: float) -> None:
    service.pause()
    await asyncio.sleep(seconds)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended. One that does not end is left behind after some seconds."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    if pending:
        _, stuck = await asyncio.wait(pending, timeout=_STOP_TIMEOUT_S)
        for task in stuck:
            _log.error("the task %r does not end", task.get_name())
