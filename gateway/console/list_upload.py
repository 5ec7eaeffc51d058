"""The list of products that waits for a person's word: its file on the disk, and what it would change."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from firmware_tools.language import message
from gateway.console.product_texts import FIELD_TITLES
from gateway.errors import Conflict, InvalidRequest, Problem, TooLarge
from gateway.products.columns import ColumnMapping
from gateway.products.list_check import ListKind
from gateway.products.list_head import HeadColumn, read_list_head
from gateway.products.list_intake import ListIntake, ListOptions, ListReport, describe_emptied
from gateway.storage.state_directory import UPLOADED_LIST_FILE

MAX_AGE_S: Final = 3600.0
"""How long a list waits."""
_BUSY: Final = message("another list is being received or read; wait until that is done, and try again")
_GONE: Final = message(
    "the list is not there any more: it was taken or discarded, another one has taken its place, or the gateway was "
    "restarted; upload it again"
)


@dataclass(slots=True, kw_only=True)
class UploadedList:
    """A list that was uploaded and not taken yet."""

    path: Path
    """Its file."""
    file_name: str
    """How the person calls the file."""
    kind: ListKind
    """What it says of the products and fields that it does not name."""
    source: str
    """Where it is from; empty if nobody said."""
    who: str
    """The name of the session that uploaded it."""
    mapping: ColumnMapping = field(default_factory=ColumnMapping)
    """How the person has corrected its columns."""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    """By which forms say that they mean this list."""
    columns: Sequence[HeadColumn] = ()
    """Its columns."""
    problem: Problem | None = None
    """Why it cannot be read as it is; None if it can."""
    summary: Mapping[str, Any] | None = None
    """What it would change; None if it cannot be read."""
    notices: Sequence[str] = ()
    """What a person should know about the list, with the fields as people call them."""
    deletes_many: bool = False
    """Whether it deletes more products than may be deleted without a question."""

    async def preview(self, intake: ListIntake) -> None:
        """Find out what it would change. Raises `InvalidRequest` if it is no list, and `StateError`."""
        content = await asyncio.to_thread(self.path.read_bytes)
        saved = await intake.mappings.find(self.source) if self.source else None
        mapping = (saved or ColumnMapping()).combine(self.mapping)
        is_partial = self.kind == "fields"
        self.columns = await asyncio.to_thread(read_list_head, content, mapping, is_partial=is_partial)
        self.problem = self.summary = None
        try:
            report = await intake.take(content, self._make_options(dry_run=True))
        except (InvalidRequest, TooLarge) as exc:
            self.problem = exc
        else:
            self.summary = report.describe()
            emptied = report.difference.emptied
            others = [one for one in report.found.notices if one not in describe_emptied(emptied)]
            self.notices = (*others, *describe_emptied(emptied, FIELD_TITLES))
            self.deletes_many = report.difference.deletes_many

    async def take(self, intake: ListIntake, digest: str) -> ListReport:
        """Take exactly what was previewed. Raises `Conflict` if that is not the same any more, and `StateError`."""
        content = await asyncio.to_thread(self.path.read_bytes)
        return await intake.take(content, self._make_options(confirmed=digest))

    def _make_options(self, **given: Any) -> ListOptions:
        mapping = self.mapping if self.mapping != ColumnMapping() else None
        return ListOptions(kind=self.kind, source=self.source, mapping=mapping, **given)


class ListUpload:
    """Holds the list that was uploaded last, until it is taken, discarded, replaced, or old. It may be large."""

    def __init__(self, directory: Path, *, max_age_s: float = MAX_AGE_S) -> None:
        """`directory` is where its file is kept."""
        self.path = directory / UPLOADED_LIST_FILE
        """Its file."""
        self.waiting: UploadedList | None = None
        """The list that waits; None if none does."""
        self._max_age_s = max_age_s
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    def lock(self) -> asyncio.Lock:
        """Return what is held while the file is used. Raises `Conflict` if somebody holds it."""
        if self._lock.locked():
            raise Conflict(_BUSY)
        return self._lock

    def find(self, key: str) -> UploadedList:
        """Return the list that a form means. Raises `Conflict` if it is not there any more."""
        if self.waiting is None or self.waiting.key != key:
            raise Conflict(_GONE)
        return self.waiting

    def keep(self, uploaded: UploadedList) -> None:
        """Keep a list whose file was written."""
        self.waiting = uploaded
        self._timer = asyncio.get_running_loop().call_later(self._max_age_s, self._expire)

    def discard(self) -> None:
        """Delete the list that waits. Raises OSError."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.waiting = None
        self.path.unlink(missing_ok=True)

    def _expire(self) -> None:
        if self._lock.locked():
            self._timer = asyncio.get_running_loop().call_later(self._max_age_s, self._expire)
        else:
            self.discard()
