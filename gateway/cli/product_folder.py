"""`products import --watch`: hands over the lists that are put into a folder, until somebody ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn

from firmware_tools.language import describe_error, message
from gateway.cli.client import ApiError
from gateway.cli.output import print_message
from gateway.errors import GatewayError
from gateway.products.folder_watch import LOOK_INTERVAL_S, FolderWatch

_REFUSALS: Final = ("invalid_request", "too_large")


class _Postponed(GatewayError):
    """A list could not be handed over now."""


async def watch_folder(
    folder: Path, hand_over: Callable[[str, bytes], Awaitable[None]], *, interval_s: float = LOOK_INTERVAL_S
) -> NoReturn:
    """Hand over the lists of a folder for ever. A list that is refused stands on standard error, and others go on."""

    def refuse(file: str, reason: str) -> None:
        print_message(message("{file} was not taken: {reason}", file=file, reason=reason))

    async def take(file: str, content: bytes) -> None:
        try:
            await hand_over(file, content)
        except ApiError as exc:
            is_large_change = "digest" in exc.document
            if exc.document.get("code") not in _REFUSALS and not is_large_change:
                raise _Postponed(exc.document.get("detail") or describe_error(exc)) from exc
            refuse(file, exc.document["detail"])

    watch = FolderWatch(folder, take=take, refuse=refuse)
    problem = ""
    try:
        while True:
            try:
                await watch.look()
                problem = ""
            except GatewayError as exc:  # until the gateway, or the folder, can be reached again
                if problem != (problem := describe_error(exc)):
                    print_message(problem)
            await asyncio.sleep(interval_s)
    finally:
        watch.close()
