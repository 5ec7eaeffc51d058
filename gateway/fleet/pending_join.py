"""Joining a chain with a code from the boot partition: tried until the head office lets the shop in, or refuses it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.fleet.join import TIMEOUT_S, JoinRefused, finish_join, is_used, join_chain
from gateway.fleet.join_code import MAX_LENGTH, JoinCode
from gateway.membership import JOIN_SERVICE, save_membership
from gateway.runtime.supervisor import Service, Supervisor
from gateway.storage.state_directory import JOIN_CODE_FILE

MAX_RESTART_DELAY_S: Final = 300.0
"""How long to wait at most before the head office is asked again."""
_IDLE_S: Final = 20.0

_log: Final = logging.getLogger(__name__)


class PendingJoin:
    """Joins with the code that is in the state directory."""

    def __init__(self, directory: Path, supervisor: Supervisor, on_joined: Callable[[], None]) -> None:
        """`on_joined` is called once when the settings have changed, so that the gateway starts again."""
        self._directory = directory
        self._supervisor = supervisor
        self._on_joined = on_joined
        self._refusal = ""
        """Why the head office refuses the code for good; empty if it does not."""

    def start(self) -> None:
        """Begin. It is reported as a service that fails until the shop has joined."""
        self._supervisor.start_service(
            JOIN_SERVICE, self._run, max_turn_s=3 * TIMEOUT_S, max_delay_s=MAX_RESTART_DELAY_S
        )

    async def _run(self, service: Service) -> None:
        if self._refusal:
            raise JoinRefused(self._refusal)  # a code that was refused gets no better
        try:
            is_new = await self._join()
        except JoinRefused as exc:
            self._refusal = describe_error(exc)
            raise
        if is_new:
            self._on_joined()
        while True:
            service.heartbeat()
            await asyncio.sleep(_IDLE_S)

    async def _join(self) -> bool:
        """Join; return whether that is new. Raises `JoinFailed`, `JoinRefused` and `StateError`."""
        code, is_new = await asyncio.to_thread(self._read_code)
        if is_new:
            membership = await join_chain(code, self._directory)
            await asyncio.to_thread(save_membership, self._directory, membership)
            _log.info("joined the chain as %s", membership.shop)
        await asyncio.to_thread(finish_join, code, self._directory)
        return is_new

    def _read_code(self) -> tuple[JoinCode, bool]:
        """Return the code, and whether this gateway has not joined with it. Raises `JoinRefused` and `StateError`."""
        file = self._directory / JOIN_CODE_FILE
        try:
            code = JoinCode.parse(file.read_text(encoding="utf-8")[: 2 * MAX_LENGTH])
        except ValueError as exc:
            raise JoinRefused(message("the join code cannot be read: {reason}", reason=describe_error(exc))) from exc
        except OSError as exc:
            raise StateError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc
        return code, not is_used(code, self._directory)
