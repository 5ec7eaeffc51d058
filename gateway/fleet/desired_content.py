"""Lists of products and templates of labels that the head office wants in the shop.

Each is taken by the one way in that the shop has for it, once for each content. What is wrong with one stops no other.
"""

import asyncio
import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_tools.language import count_message, message
from gateway.errors import Conflict, InvalidRequest, StateError, TooLarge
from gateway.fleet.content_download import ContentDamaged, ContentDownload, ContentMissing
from gateway.fleet.content_table import FleetContentTable, StoredContent
from gateway.fleet.desired_reader import WantedState
from gateway.fleet.documents import ContentReference, DesiredAnswer, ProductListReference
from gateway.fleet.link_throttle import LinkThrottle
from gateway.fleet.part_names import PRODUCTS, template_part
from gateway.products.events import ProductListRefused
from gateway.products.mirror import ProductMirror
from gateway.protocol.event_type import EventType
from gateway.storage.state_directory import DOWNLOAD_PREFIX, LABEL_TEMPLATES_FOLDER

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection
    from gateway.products.list_intake import ListIntake

LIST_SOURCE: Final = "head office"
"""The source of lists from the head office: a mapping that is saved for it is used."""
MAX_REASON_CHARACTERS: Final = 1000
_SPARE_BYTES: Final = 16 * 1024 * 1024
"""How much room a list leaves on the disk."""

_log: Final = logging.getLogger(__name__)


class DesiredContent:
    """Takes content. What became of it is stored."""

    def __init__(
        self,
        directory: Path,
        table: FleetContentTable,
        products: ProductMirror,
        lists: "Callable[[], ListIntake]",
        throttle: LinkThrottle,
        *,
        account: int,
        report: Callable[[EventType], None],
    ) -> None:
        """`directory` is the state directory; `lists` returns the intake of lists; `report` takes events.

        `account` is the number of the shop of the cloud that lists of products are for.
        """
        self._directory = directory
        self._table = table
        self._products = products
        self._lists = lists
        self._throttle = throttle
        self._account = account
        self._report = report
        self._download: ContentDownload | None = None
        """A list that was not received completely; its file has no name."""
        self._damaged: dict[str, tuple[str, Mapping[str, int], DesiredAnswer]] = {}
        """Parts whose content was not what was announced, with what was wanted then: not read again for the same."""

    def close(self) -> None:
        """Stop for good."""
        self._drop_download()

    async def find_answers(self, wanted: WantedState) -> dict[str, DesiredAnswer]:
        """Return what became of each part so far; one that is not taken yet is pending. Raises `StateError`."""
        known = await self._table.load()
        contents = self._list_contents(wanted)
        await self._table.forget([part for part in known if part not in contents])
        self._damaged = {part: one for part, one in self._damaged.items() if part in contents}
        answers: dict[str, DesiredAnswer] = {}
        for part, content in contents.items():
            if part in known and known[part].content == content:
                answers[part] = known[part].answer
            elif part in self._damaged and self._damaged[part][:2] == (content, wanted.revisions):
                answers[part] = self._damaged[part][2]
            else:
                answers[part] = DesiredAnswer(outcome="pending", reason=message("is being read"))
        return answers

    async def follow(
        self, connection: "FleetConnection", wanted: WantedState, answers: dict[str, DesiredAnswer]
    ) -> None:
        """Take what is pending among the answers, and write there what became of it.

        Raises `HeadOfficeUnavailable` and `StateError`: then the rest stays pending.
        """
        contents = self._list_contents(wanted)
        for part in [part for part, answer in answers.items() if answer.outcome == "pending"]:
            try:
                if part == PRODUCTS and wanted.products is not None:
                    answers[part] = await self._take_products(connection, wanted.products)
                else:
                    name = part.partition(".")[2]
                    answers[part] = await self._take_template(connection, name, wanted.templates[name])
            except ContentMissing as exc:
                answers[part] = DesiredAnswer(outcome="pending", reason=str(exc))
            except ContentDamaged as exc:
                answers[part] = DesiredAnswer(outcome="refused", reason=str(exc))
                self._damaged[part] = (contents[part], wanted.revisions, answers[part])
                _log.warning("%s of the head office is not taken: %s", part, exc)
            else:
                if answers[part].outcome != "pending":
                    await self._table.store(part, StoredContent(contents[part], answers[part]))

    async def _take_products(self, connection: "FleetConnection", reference: ProductListReference) -> DesiredAnswer:
        try:
            self._products.require_shop()
        except Conflict as exc:
            return DesiredAnswer(outcome="pending", reason=exc.detail)
        download = await asyncio.to_thread(self._open_download, reference)
        try:
            await download.receive(connection, self._throttle)
            answer = await self._hand_over(download, reference)
        except (ContentMissing, ContentDamaged):
            self._drop_download()
            raise
        self._drop_download()
        return answer

    async def _hand_over(self, download: ContentDownload, reference: ProductListReference) -> DesiredAnswer:
        # Imported here, since it takes memory.
        from gateway.products.list_intake import ListOptions

        options = ListOptions(
            kind="complete" if reference.complete else "partial", source=LIST_SOURCE, confirmed=reference.confirm
        )
        download.file.seek(0)
        try:
            report = await self._lists().take(download.file, options)
        except (InvalidRequest, TooLarge, Conflict) as exc:
            reason = exc.detail[:MAX_REASON_CHARACTERS]
            _log.warning("the list %s of the head office is not taken: %s", reference.name, reason)
            self._report(ProductListRefused(file=reference.name, list_source=LIST_SOURCE, reason=reason))
            return DesiredAnswer(outcome="refused", reason=reason)
        if not (bad := report.found.bad_row_count):
            return DesiredAnswer(outcome="applied")
        reason = count_message("{count} row is bad, and was not taken", "{count} rows are bad, and were not taken", bad)
        return DesiredAnswer(outcome="applied", reason=reason)

    async def _take_template(
        self, connection: "FleetConnection", name: str, reference: ContentReference
    ) -> DesiredAnswer:
        # Imported here, since it takes memory.
        from gateway.labels.template import MAX_TEMPLATE_BYTES
        from gateway.labels.template_folder import TemplateFolder

        if reference.size > MAX_TEMPLATE_BYTES:
            reason = message("is larger than {limit} bytes", limit=MAX_TEMPLATE_BYTES)
            return DesiredAnswer(outcome="refused", reason=reason)
        content = io.BytesIO()
        await ContentDownload(reference, content).receive(connection, self._throttle)
        folder = TemplateFolder(self._directory / LABEL_TEMPLATES_FOLDER)
        try:
            await asyncio.to_thread(folder.save, name, content.getvalue())
        except (InvalidRequest, Conflict) as exc:
            _log.warning("the template %s of the head office is not taken: %s", name, exc.detail)
            return DesiredAnswer(outcome="refused", reason=exc.detail[:MAX_REASON_CHARACTERS])
        return DesiredAnswer(outcome="applied")

    def _open_download(self, reference: ProductListReference) -> ContentDownload:
        """Return a download that goes on with the one before if that is of the same list. Raises `StateError`."""
        if self._download is not None and self._download.reference == reference:
            return self._download
        self._drop_download()
        try:
            if shutil.disk_usage(self._directory).free < reference.size + _SPARE_BYTES:
                raise StateError(
                    message(
                        "{path}: the disk has no room for {size} bytes of a list from the head office",
                        path=self._directory,
                        size=reference.size,
                    )
                )
            # Without a name, where the system can do that: nothing is left of it after a crash.
            file = tempfile.TemporaryFile(dir=self._directory, prefix=DOWNLOAD_PREFIX)  # noqa: SIM115
        except OSError as exc:
            raise StateError(
                message(
                    "{path}: a list of the head office cannot be stored: {reason}", path=self._directory, reason=exc
                )
            ) from exc
        self._download = ContentDownload(reference, file)
        return self._download

    def _drop_download(self) -> None:
        if self._download is not None:
            self._download.file.close()
            self._download = None

    def _list_contents(self, wanted: WantedState) -> dict[str, str]:
        """Return which content each part has, as text that is equal for content that is not to be taken again."""
        contents: dict[str, str] = {}
        if (products := wanted.products) is not None:
            taken_as = f"complete={products.complete} confirm={products.confirm} account={self._account}"
            contents[PRODUCTS] = f"{products.sha256} {taken_as}"
        for name, reference in wanted.templates.items():
            contents[template_part(name)] = reference.sha256
        return contents
