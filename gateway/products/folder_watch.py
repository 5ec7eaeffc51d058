"""Watches a folder for lists of products, as tills and ERP systems put them there. It changes nothing in the folder.

A file is handed over once it has the same size and time in two looks: before that somebody may be writing it.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from firmware_tools.language import describe_error, message
from firmware_tools.size import format_size
from gateway.errors import GatewayError
from gateway.products.product_list import MAX_LIST_BYTES, read_product_file

LOOK_INTERVAL_S: Final = 5.0
"""How often a folder is looked at."""
MAX_FILES: Final = 1000
"""How many files are watched, the newest ones."""
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".json")
"""What the names of lists end with, in any case."""

_HIDDEN: Final = (".", "~$")
"""What the names begin with of files that are no lists: those that programs keep beside one that is open."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class FolderUnreadable(GatewayError):
    """A folder cannot be looked at. The text names it, and says why."""


class _Stamp(NamedTuple):
    """What tells one content of a file from another without reading it."""

    time_ns: int
    size: int


class FolderWatch:
    """Hands over the lists of one folder, the oldest first, so that the newest wins."""

    def __init__(
        self,
        folder: Path,
        *,
        take: Callable[[str, bytes], Awaitable[None]],
        refuse: Callable[[str, str], None],
    ) -> None:
        """`take` is given the path and the content of each file that is new; what is wrong with the list is its affair.

        If it raises `GatewayError`, the file is handed over again at the next look. `refuse` is given the path of a
        file that cannot be read, and why.
        """
        self.folder = folder
        self._take = take
        self._refuse = refuse
        self._seen: dict[str, _Stamp] = {}
        self._done: dict[str, _Stamp] = {}
        # A thread of its own: a network folder that does not answer must not hold up the others.
        self._thread = ThreadPoolExecutor(1, "product folder")

    def close(self) -> None:
        """End its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        """Look once. Raises `FolderUnreadable`, and the `GatewayError` of a file that is to be handed over again."""
        try:
            seen = await self._run(lambda: _list_files(self.folder))
        except OSError as exc:
            reason = describe_error(exc)
            raise FolderUnreadable(
                message("the folder {folder} cannot be read: {reason}", folder=self.folder, reason=reason)
            ) from exc
        due = [name for name, stamp in seen.items() if self._seen.get(name) == stamp != self._done.get(name)]
        self._seen = seen
        self._done = {name: stamp for name, stamp in self._done.items() if name in seen}
        for name in due:
            if await self._hand_over(self.folder / name, seen[name]):
                self._done[name] = seen[name]

    async def _hand_over(self, path: Path, stamp: _Stamp) -> bool:
        """Hand over a file. Return whether it is done with, until it changes."""
        if stamp.size > MAX_LIST_BYTES:
            limit = format_size(MAX_LIST_BYTES)
            self._refuse(str(path), message("the list is larger than {limit}; split it", limit=limit))
            return True
        try:
            content = await self._run(lambda: read_product_file(path))
            if await self._run(lambda: _stamp(path.stat())) != stamp:
                return False
            await self._take(str(path), content)
        except FileNotFoundError:
            return False
        except OSError as exc:
            self._refuse(str(path), describe_error(exc))
        except GatewayError:
            raise
        except Exception:
            _log.exception("the list %s cannot be read", path)
            self._refuse(str(path), message("the gateway failed to read it; its log says why"))
        return True

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _list_files(folder: Path) -> dict[str, _Stamp]:
    """Return the files that may be lists, the oldest first. Raises OSError."""
    found: list[tuple[_Stamp, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(_HIDDEN) or not name.lower().endswith(SUFFIXES):
                continue
            try:
                if entry.is_file(follow_symlinks=False) and (stamp := _stamp(entry.stat(follow_symlinks=False))).size:
                    found.append((stamp, name))
            except OSError:  # it was deleted meanwhile
                continue
    return {name: stamp for stamp, name in sorted(found)[-MAX_FILES:]}


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_mtime_ns, status.st_size)
