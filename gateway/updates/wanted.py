"""The version that the head office wants: asked for at the installer, which is root's, and answered."""

import asyncio
import hashlib
import os
import re
import time
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway import __version__
from gateway.app import Gateway
from gateway.errors import StateError
from gateway.fleet.documents import DesiredAnswer
from gateway.updates.exchange import (
    STATE_VARIABLE,
    has_request,
    is_at_work,
    load_status,
    write_request,
)
from gateway.updates.machine import VERSION_PATTERN, Places
from gateway.updates.proof import find_failures, list_checks

RETRY_INTERVAL_S: Final = 600.0
"""How long to wait before an update is asked for again that could not be fetched, or was cut off."""
SOURCE: Final = Places().source
"""The file that names the chain's repository, and its key. Root puts it there."""
_TAKEN_WITHIN_S: Final = 60.0
"""How long the installer may take to begin."""


class WantedVersion:
    """Has the version installed that the head office wants. A wish is tried until its outcome is final."""

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        *,
        source: Path = SOURCE,
        retry_interval_s: float = RETRY_INTERVAL_S,
    ) -> None:
        """Take the gateway, the folder of the installer, and the file that names the chain's repository."""
        self._gateway = gateway
        self._source = source
        self._folder = folder
        self._retry_interval_s = retry_interval_s
        self._asked: tuple[str, float] | None = None
        """The attempt that this process asked for last, and when."""
        self._lock = asyncio.Lock()

    async def want(self, version: str, revision: str, *, at_once: bool = False) -> DesiredAnswer:
        """Return what has become of the wish for a version, and have it installed if nothing has yet.

        `revision` tells one wish from the next: one that was refused or rolled back is not tried again by the same
        name. Call it again and again. `at_once` asks the installer without the usual pause after a failure, and raises
        `StateError` if it cannot be asked.
        """
        if version == __version__:
            return DesiredAnswer(outcome="applied")
        if not re.fullmatch(VERSION_PATTERN, version):
            return DesiredAnswer(
                outcome="refused", reason=message("{version!r} cannot be a version of a package", version=version[:64])
            )
        attempt = hashlib.sha256(f"{revision} {version}".encode()).hexdigest()[:32]
        async with self._lock:
            try:
                return await self._ask(attempt, version, at_once=at_once)
            except StateError as exc:
                if at_once:
                    raise
                reason = message("the installer of updates cannot be asked: {reason}", reason=exc)
                return DesiredAnswer(outcome="pending", reason=reason)

    async def _ask(self, attempt: str, version: str, *, at_once: bool) -> DesiredAnswer:
        status = await asyncio.to_thread(load_status, self._folder)
        if status is not None and status.attempt != attempt:
            status = None
        if status is not None and (status.outcome == "refused" or status.outcome == "rolled_back"):
            return DesiredAnswer(outcome=status.outcome, reason=status.reason)
        if status is not None and status.outcome == "applied":
            reason = message(
                "{version} was installed here, but {present} runs now, as after somebody has installed that by hand: "
                "set the version anew to have it again",
                version=version,
                present=__version__,
            )
            return DesiredAnswer(outcome="refused", reason=reason)
        state = self._gateway.directory.path
        if str(state) != os.environ.get(STATE_VARIABLE, ""):
            reason = message(
                "an update needs the state directory of the package: remove storage.directory from the settings"
            )
            return DesiredAnswer(outcome="refused", reason=reason)
        if not await asyncio.to_thread(self._source.is_file):
            reason = message(
                "{path} is missing: it names the chain's repository and its key, and root puts it there",
                path=self._source,
            )
            return DesiredAnswer(outcome="refused", reason=reason)
        asked_at = self._asked[1] if self._asked is not None and self._asked[0] == attempt else None
        if asked_at is not None and (waiting := await self._describe_wait(asked_at)) is not None:
            return waiting
        if asked_at is not None and await asyncio.to_thread(is_at_work, self._folder):
            status = None
        elif at_once or asked_at is None or time.monotonic() - asked_at >= self._retry_interval_s:
            checks = list_checks(await find_failures(self._gateway))
            await asyncio.to_thread(write_request, state, attempt, version, checks)
            self._asked = (attempt, time.monotonic())
            status = None
        if status is not None:
            return DesiredAnswer(outcome="pending", reason=message("{reason}; tried again", reason=status.reason))
        return DesiredAnswer(outcome="pending", reason=message("it is being fetched"))

    async def _describe_wait(self, asked_at: float) -> DesiredAnswer | None:
        """Return what is told while the installer has not taken the request."""
        if not await asyncio.to_thread(has_request, self._gateway.directory.path):
            return None
        reason = message("the installer of updates has been asked")
        if time.monotonic() - asked_at > _TAKEN_WITHIN_S:
            reason = message(
                "the installer of updates does not begin; see systemctl status sunmi-gateway-update.path there"
            )
        return DesiredAnswer(outcome="pending", reason=reason)
