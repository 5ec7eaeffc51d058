"""Follows what the head office wants of this shop, and answers it.

It is a service of its own, since it also has to work while there is no link: a change of settings that has cut the
shop off is taken back by it.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from firmware_tools.language import describe_error, message
from gateway import __version__
from gateway.desired_settings import SettingSource
from gateway.errors import Conflict, SettingsError, StateError
from gateway.fleet.command_handler import CommandHandler
from gateway.fleet.commands import COMMANDS
from gateway.fleet.desired_content import DesiredContent
from gateway.fleet.desired_reader import InvalidDocument, WantedState, read_wanted
from gateway.fleet.documents import DesiredAnswer, DesiredReport
from gateway.fleet.failures import HeadOfficeUnavailable, MessageRefused
from gateway.fleet.followed_settings import FollowedSettings
from gateway.fleet.link_part import LinkPart
from gateway.fleet.part_names import DOCUMENT, VERSION, setting_part
from gateway.fleet.subjects import CHAIN_KEY, DESIRED, REPORTED, answer_key, bucket_subject, group_key, shop_key
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.timestamps import utc_text

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection, ReceivedMessage

READ_INTERVAL_S: Final = 900.0
"""How often it is read without being told to: a message that tells of a change can be lost."""
VERSION_INTERVAL_S: Final = 30.0
"""The same while a version is being installed."""
READ_WHEN_TOLD_S: Final = (0.0, 1.0, 2.0, 7.0)
"""With which pauses it is read after a change was told, until one is seen: servers tell it before they store it."""
READ_WHEN_CONNECTED_S: Final = (0.0, 5.0)
"""The same for a new connection: it takes a moment until all servers know that this shop wants to be told."""
SPREAD_S: Final = 1.0
"""Within how many seconds a shop reads after a change of its own document or a new connection; the shortest pause."""
SPREAD_OF_MANY_S: Final = 5.0
"""Within how many seconds the shops of a group or chain read a change that concerns all of them."""
MIN_RUN_S: Final = 60.0
"""How long a gateway runs at least before it is started again for a setting."""
API_CHECK_S: Final = 5.0
"""How often the gateway's own API is asked, until it answers, while a change of settings is on trial."""
QUIET_CHECK_S: Final = 0.2
"""How often to look whether calls of tills have ended, before the gateway is started again."""
MAX_RESTART_DELAY_S: Final = 60.0
MAX_COMMANDS_S: Final = max(command.timeout_s for command in COMMANDS.values())
"""How long it waits for commands that are under way: until the longest one has ended."""
MAX_TURN_S: Final = 3600.0
"""How long one turn takes at most: a large list on a slow line, and its check."""
MAX_REASON_CHARACTERS: Final = 1000
"""How much of a reason is reported."""

_RESTARTS: Final = message(
    "holds from the next start on, which comes when no call of a till and no command is under way"
)
_NO_RESTART: Final = message("holds from the next start on; nothing starts this gateway by itself, so do it by hand")

_log: Final = logging.getLogger(__name__)


ApiCheck = Callable[[], Awaitable[None]]
"""Asks the gateway's own API for its health. It raises if there is no answer."""


class VersionInstaller(Protocol):
    """Has versions installed for the head office."""

    def __call__(self, version: str, revision: str, *, at_once: bool = False) -> Awaitable[DesiredAnswer]:
        """Have a version installed for a wish of the head office, and tell what has become of that.

        It is called repeatedly. `at_once` asks again without the usual pause, and then raises `StateError` if nobody
        can be asked.
        """


class DesiredFollower(LinkPart):
    """Reads, applies and answers the desired state."""

    def __init__(
        self,
        shop: str,
        settings: FollowedSettings,
        content: DesiredContent,
        commands: CommandHandler,
        clock: PeerClock,
        supervisor: Supervisor,
        *,
        find_restart: Callable[[], Callable[[], None] | None],
        find_installer: Callable[[], VersionInstaller | None],
        find_api_check: Callable[[], ApiCheck | None],
        is_busy: Callable[[], bool],
        is_cloned: Callable[[], bool],
    ) -> None:
        """Follow nothing before `start`.

        `find_restart` returns what starts the gateway again, `find_installer` what has a version installed,
        `find_api_check` what asks the gateway's own API; `is_busy` tells whether calls of tills are under way.
        """
        self._shop = shop
        self._settings = settings
        self._content = content
        self._commands = commands
        self._clock = clock
        self._supervisor = supervisor
        self._find_restart = find_restart
        self._find_installer = find_installer
        self._find_api_check = find_api_check
        self._is_busy = is_busy
        self._is_cloned = is_cloned
        self._service: Service | None = None
        self._connection: FleetConnection | None = None
        self._member = ""
        """Which shop of which chain the last connection was of."""
        self._subscribed: set[str] = set()
        """The subjects that this connection listens to."""
        self._wake = asyncio.Event()
        self._is_linked = False
        """Whether the link has come up since the start."""
        self._was_cloned = False
        self._pauses: list[float] = []
        """The pauses before what is to be read again soon."""
        self._read_at = math.inf
        """When to read next, by the monotonic clock."""
        self._revisions: Mapping[str, int] | None = None
        """What was read last; None before the first time."""
        self._reported: DesiredReport | None = None
        """What the head office has; None if it may have anything."""
        self._interval_s = READ_INTERVAL_S
        self._needs_restart = False
        self._waits_until = math.inf
        """Until when a restart waits for commands, by the monotonic clock; infinite while none is due."""
        self._began_at = time.monotonic()
        self._refusals = FailureLog(_log, "the head office does not take the answer to what it wants")

    def start(self) -> None:
        """Go on with what an earlier process has begun, and follow from now on."""
        self._service = self._supervisor.start_service(
            "head office settings", self._run, max_turn_s=MAX_TURN_S, max_delay_s=MAX_RESTART_DELAY_S
        )

    async def begin(self, connection: "FleetConnection") -> None:
        """Take note that the link is up, and read what is wanted."""
        self._connection = connection
        self._member = connection.member
        self._subscribed.clear()
        self._reported = None
        self._is_linked = True
        self._read_soon(READ_WHEN_CONNECTED_S, SPREAD_S)

    async def work(self, _: "FleetConnection") -> bool:
        """Take note when another gateway with this certificate comes or goes."""
        if self._is_cloned() != self._was_cloned:
            self._was_cloned = not self._was_cloned
            self._read_soon(READ_WHEN_CONNECTED_S, SPREAD_S)
        return False

    async def look_for_version(self) -> tuple[str, DesiredAnswer]:
        """Read now which version is wanted, and have it installed; return it, and what has become of that.

        Raises `Conflict` if none is wanted or a document cannot be read, `HeadOfficeUnavailable` and `StateError`.
        """
        if (connection := self._connection) is None:
            raise HeadOfficeUnavailable(message("the connection was lost"))
        try:
            wanted = await read_wanted(connection, self._shop)
        except InvalidDocument as exc:
            raise Conflict(describe_error(exc)) from exc
        if wanted is None or wanted.version is None:
            raise Conflict(
                message(
                    "no version is wanted of this shop, so there is nothing to install: `sunmi-gateway office update` "
                    "sets one"
                )
            )
        version, source = wanted.version
        answer = await self._install(version, source, at_once=True)
        self._read_soon((0.0,), SPREAD_S)  # to report it, and from then on what becomes of it
        return version, answer

    async def close(self) -> None:
        """Stop for good."""
        if self._service is not None:
            await self._service.stop()
        self._content.close()

    def _note_change(self, received: "ReceivedMessage") -> None:
        """Read soon. What is told is not believed: it may not be stored yet, and never be."""
        is_own = received.subject == bucket_subject(DESIRED, shop_key(self._shop))
        self._read_soon(READ_WHEN_TOLD_S, SPREAD_S if is_own else SPREAD_OF_MANY_S)

    def _read_soon(self, pauses: Sequence[float], spread_s: float) -> None:
        first, *self._pauses = pauses
        self._read_at = time.monotonic() + first + random.uniform(0, spread_s)
        self._wake.set()

    async def _run(self, service: Service) -> None:
        await asyncio.to_thread(self._settings.start)
        while True:
            self._wake.clear()
            await self._check_trial()
            await self._follow_if_due()
            self._restart_if_quiet()
            service.heartbeat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._find_pause_s()):
                    await self._wake.wait()

    def _find_pause_s(self) -> float:
        """Return how long nothing is due, in seconds."""
        pauses = [READ_INTERVAL_S]
        if self._may_read:
            pauses.append(self._read_at - time.monotonic())
        if (left := self._settings.trial_left_s) is not None:
            pauses.append(min(left, API_CHECK_S) if self._is_linked else left)
        if self._needs_restart and self._find_restart() is not None:
            pauses.append(QUIET_CHECK_S)
        return max(0.0, min(pauses))

    async def _check_trial(self) -> None:
        """Find out whether a change has proved itself, and take it back if it has not in time."""
        if self._settings.trial_left_s is None:
            return
        problem = await self._find_api_problem() if self._is_linked else ""
        if self._is_linked and not problem:
            await asyncio.to_thread(self._settings.note_proof)
        elif self._settings.trial_left_s == 0:
            await asyncio.to_thread(self._settings.roll_back, problem)
            self._needs_restart = True

    async def _find_api_problem(self) -> str:
        """Return why the gateway's own API does not answer; empty if it does, or if none is served."""
        if (check := self._find_api_check()) is None:
            return ""
        try:
            async with asyncio.timeout(API_CHECK_S):
                await check()
        except Exception as exc:
            return describe_error(exc) or type(exc).__name__
        return ""

    @property
    def _may_read(self) -> bool:
        """Whether what is wanted may be read: not before a change on trial has proved itself or is taken back."""
        return self._connection is not None and not self._is_cloned() and self._settings.trial_left_s is None

    async def _follow_if_due(self) -> None:
        connection = self._connection
        if connection is None or not self._may_read or time.monotonic() < self._read_at:
            return
        try:
            await self._follow(connection)
        except HeadOfficeUnavailable:
            if connection.is_open:
                raise
            if self._connection is connection:  # the link says what is wrong, and comes with a new one
                self._connection = None
            return
        pause = self._pauses.pop(0) if self._pauses else self._interval_s
        self._read_at = time.monotonic() + max(pause, SPREAD_S)

    async def _follow(self, connection: "FleetConnection") -> None:
        try:
            wanted = await self._read(connection)
        except InvalidDocument as exc:
            self._note_revisions(exc.revisions)
            _log.warning("what the head office wants cannot be read, so all stays as it is: %s", describe_error(exc))
            answers = {DOCUMENT: DesiredAnswer(outcome="refused", reason=describe_error(exc))}
            await self._report(connection, exc.revisions, answers)
            return
        if wanted is None:
            return
        self._note_revisions(wanted.revisions)
        try:
            answers = await asyncio.to_thread(self._follow_settings, wanted)
        except StateError as exc:  # the disk is full
            await self._report(connection, wanted.revisions, _postpone(wanted, describe_error(exc)))
            raise
        answers |= await self._follow_version(wanted)
        if wanted.unknown:
            answers[DOCUMENT] = DesiredAnswer(outcome="refused", reason=wanted.unknown)
        answers_of_content = await self._content.find_answers(wanted)
        await self._report(connection, wanted.revisions, answers | answers_of_content)
        if self._needs_restart and self._find_restart() is not None:
            return  # what is read now may need the settings
        try:
            await self._content.follow(connection, wanted, answers_of_content)
        except StateError as exc:
            for part, answer in answers_of_content.items():
                if answer.outcome == "pending":
                    answers_of_content[part] = DesiredAnswer(outcome="pending", reason=describe_error(exc))
            await self._report(connection, wanted.revisions, answers | answers_of_content)
            raise
        await self._report(connection, wanted.revisions, answers | answers_of_content)

    async def _read(self, connection: "FleetConnection") -> WantedState | None:
        """Read what is wanted, and have changes of it told from now on."""
        await self._listen(connection, (CHAIN_KEY, shop_key(self._shop)))
        wanted = await read_wanted(connection, self._shop)
        if wanted is not None and await self._listen(connection, [group_key(group) for group in wanted.groups]):
            wanted = await read_wanted(connection, self._shop)
        return wanted

    async def _listen(self, connection: "FleetConnection", keys: Sequence[str]) -> bool:
        """Listen to changes of documents; return whether to some of them only from now on."""
        subjects = {bucket_subject(DESIRED, key) for key in keys} - self._subscribed
        for subject in sorted(subjects):
            await connection.subscribe(subject, self._note_change)
        self._subscribed |= subjects
        return bool(subjects)

    def _note_revisions(self, revisions: Mapping[str, int]) -> None:
        """Read no more than usual once the change is seen that was told."""
        if self._revisions is not None and revisions != self._revisions:
            self._pauses.clear()
        self._revisions = revisions

    def _follow_settings(self, wanted: WantedState) -> dict[str, DesiredAnswer]:
        restarts = self._find_restart() is not None
        try:
            outcome = self._settings.follow(self._member, wanted.settings, _RESTARTS if restarts else _NO_RESTART)
        except SettingsError as exc:
            return _postpone(wanted, describe_error(exc))
        self._needs_restart = outcome.needs_restart
        return {setting_part(name): answer for name, answer in outcome.answers.items()}

    async def _follow_version(self, wanted: WantedState) -> dict[str, DesiredAnswer]:
        """Have the version installed that is wanted, and ask soon again what has become of it."""
        self._interval_s = READ_INTERVAL_S
        if wanted.version is None:
            return {}
        answer = await self._install(*wanted.version)
        if answer.outcome == "pending":
            self._interval_s = VERSION_INTERVAL_S
        return {VERSION: answer}

    async def _install(self, version: str, source: SettingSource, *, at_once: bool = False) -> DesiredAnswer:
        if version == __version__:
            return DesiredAnswer(outcome="applied")
        if (install := self._find_installer()) is None:
            reason = message("version {version} runs, and nothing here can install another one", version=__version__)
            return DesiredAnswer(outcome="refused", reason=reason)
        wish = f"{self._member} {source.key} {source.revision} {source.stored_at}"
        return await install(version, wish, at_once=at_once)

    def _restart_if_quiet(self) -> None:
        """Start the gateway again for settings, once no call of a till and no command is under way."""
        restart, now = self._find_restart(), time.monotonic()
        if not self._needs_restart or restart is None:
            self._waits_until = math.inf
            return
        if now - self._began_at < MIN_RUN_S or self._is_busy():
            return
        self._waits_until = min(self._waits_until, now + MAX_COMMANDS_S)
        if self._commands.is_busy and now < self._waits_until:
            return
        self._commands.hold()
        self._needs_restart = False
        _log.warning("the gateway is started again for settings that the head office wants, or that are taken back")
        restart()

    async def _report(
        self, connection: "FleetConnection", revisions: Mapping[str, int], answers: Mapping[str, DesiredAnswer]
    ) -> None:
        """Answer the head office, unless it has that answer."""
        kept = {
            part: answer.model_copy(update={"reason": str(answer.reason[:MAX_REASON_CHARACTERS])})
            for part, answer in answers.items()
        }
        report = DesiredReport(revisions=dict(revisions), answers=kept, time=utc_text(self._clock.now()))
        if (known := self._reported) and (known.revisions, known.answers) == (report.revisions, report.answers):
            return
        try:
            await connection.publish(
                bucket_subject(REPORTED, answer_key(self._shop)), report.model_dump_json().encode()
            )
        except MessageRefused as refused:
            self._refusals.failed(refused.reason)
        else:
            self._refusals.recovered()
        self._reported = report


def _postpone(wanted: WantedState, reason: str) -> dict[str, DesiredAnswer]:
    """Return answers for settings that cannot be followed now."""
    return {setting_part(name): DesiredAnswer(outcome="pending", reason=reason) for name in wanted.settings}
