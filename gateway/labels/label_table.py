"""The shelf labels of an account in the database: what each is to show, its picture, and what the cloud says of it."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from gateway.labels.label import (
    LOW_BATTERY,
    DrawnLabel,
    LabelContent,
    LabelGroup,
    LabelState,
    OpenLabel,
    StaleLabel,
    StoredLabel,
)
from gateway.labels.label_drawing_table import find_stale, store_drawn
from gateway.labels.label_identity_table import NAMED, store_content, store_identity
from gateway.labels.label_rows import COLUMNS, read_label, write_text
from gateway.protocol import json_text
from gateway.storage.database import Database

NO_CHANGES: Final[Mapping[int, int]] = MappingProxyType({})
_SEARCHED: Final = (
    r"(:words = '' OR name LIKE :pattern ESCAPE '\' OR esl_id LIKE :pattern ESCAPE '\' OR esl_code LIKE :pattern "
    r"ESCAPE '\' OR product_id LIKE :pattern ESCAPE '\' OR EXISTS (SELECT 1 FROM product WHERE product.account = "
    r"label.account AND product.product_id = label.product_id AND product.name LIKE :pattern ESCAPE '\'))"
)
_GROUP: Final = (
    "CASE WHEN state IN ('failed', 'shown', 'vendor') THEN state WHEN problem = '' THEN 'moving' ELSE 'late' END"
)
_WORST_FIRST: Final = (
    f"CASE {_GROUP} WHEN 'failed' THEN 0 WHEN 'late' THEN 1 WHEN 'moving' THEN 2 WHEN 'shown' THEN 3 ELSE 4 END, "
    f"iif(json_valid(reading), ifnull(reading ->> 'battery', 100) >= {LOW_BATTERY}, 1), number"
)


async def has_labels(database: Database) -> bool:
    """Tell whether any label is stored. Raises `StateError`."""
    return bool(await database.read("SELECT 1 FROM label LIMIT 1"))


class LabelTable:
    """The labels of one account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, *, account: Callable[[], int]) -> None:
        """`account` returns the number of the account of the settings."""
        self._database = database
        self._account = account

    async def adopt(self) -> None:
        """Take over the labels of an account whose wrong description the settings have mended."""
        await self._database.execute(
            "UPDATE label SET account = :account WHERE account NOT IN (SELECT id FROM account) "
            "AND NOT EXISTS (SELECT 1 FROM label WHERE account = :account)",
            {"account": self._account()},
        )

    async def store(
        self,
        name: str,
        *,
        model: str,
        content: LabelContent,
        product_id: str = "",
        template: str = "",
        drawn: DrawnLabel | None = None,
        now: int,
    ) -> StoredLabel:
        """Store what a label shows. Without a `model`, one that is known stays."""
        values = {
            "account": self._account(), "name": name, "model": model, "content": content, "product_id": product_id,
            "template": template, "now": now, "stale": content == "product",
            "state": "vendor" if content == "vendor" else "waiting",
        }  # fmt: skip

        return await self._database.transact(lambda connection: store_content(connection, values, drawn))

    async def delete(self, number: int) -> None:
        """Forget a label."""
        await self._database.execute("DELETE FROM label WHERE number = ?", (number,))

    async def get(self, name: str) -> StoredLabel | None:
        """Return the label with this name, id or code; None if there is none."""
        found = await self._load(NAMED, {"account": self._account(), "name": name})
        return found[0] if found else None

    async def get_picture(self, number: int) -> bytes | None:
        """Return the picture of a label as PNG; None if it is not drawn yet."""
        rows = await self._database.read("SELECT picture FROM label WHERE number = ?", (number,))
        return rows[0]["picture"] if rows else None

    async def search(
        self, words: str = "", *, states: Sequence[LabelState] = (), after: int = 0, limit: int = 50
    ) -> tuple[list[StoredLabel], int | None]:
        """Return a page of labels whose names, or whose product's number or name, hold a text; and the next start."""
        values = {
            "account": self._account(), "after": after, "words": words, "pattern": _make_pattern(words),
            "limit": limit + 1, "states": json.dumps(list(states)), "every_state": not states,
        }  # fmt: skip
        found = await self._load(
            "account = :account AND number > :after AND (:every_state OR state IN (SELECT value FROM "  # noqa: S608
            f"json_each(:states))) AND {_SEARCHED} ORDER BY number LIMIT :limit",
            values,
        )
        labels = found[:limit]
        return labels, labels[-1].number if len(found) > limit else None

    async def list_worst_first(
        self, words: str = "", *, group: LabelGroup | None = None, skip: int = 0, limit: int = 50
    ) -> tuple[list[StoredLabel], bool]:
        """Return a page of the labels that `search` finds, or of those in a group; and whether there are more."""
        values = {
            "account": self._account(), "words": words, "pattern": _make_pattern(words), "group": group,
            "skip": skip, "limit": limit + 1,
        }  # fmt: skip
        found = await self._load(
            f"account = :account AND (:group IS NULL OR {_GROUP} = :group) AND {_SEARCHED} ORDER BY {_WORST_FIRST} "
            "LIMIT :limit OFFSET :skip",
            values,
        )
        return found[:limit], len(found) > limit

    async def list_of(self, product_id: str) -> list[StoredLabel]:
        """Return the labels of a product."""
        return await self._load("account = ? AND product_id = ? ORDER BY number", (self._account(), product_id))

    async def count(self) -> dict[LabelState, int]:
        """Return how many labels are in each state."""
        rows = await self._database.read(
            "SELECT state, count(*) AS labels FROM label WHERE account = ? GROUP BY state", (self._account(),)
        )
        return {row["state"]: row["labels"] for row in rows}

    async def count_groups(self) -> dict[LabelGroup, int]:
        """Return how many labels are in each group."""
        rows = await self._database.read(
            f"SELECT {_GROUP} AS kind, count(*) AS labels FROM label WHERE account = ? GROUP BY kind",  # noqa: S608
            (self._account(),),
        )
        return {row["kind"]: row["labels"] for row in rows}

    async def count_of_template(self, template: str) -> int:
        """Return how many labels are drawn by a template."""
        query = "SELECT count(*) AS labels FROM label WHERE account = ? AND content = 'product' AND template = ?"
        [row] = await self._database.read(query, (self._account(), template))
        return int(row["labels"])

    # Drawing

    async def find_stale(self, limit: int, now: int | None) -> list[StaleLabel]:
        """Return labels that can be drawn now.

        `now` is the trusted time, in Unix seconds. Where a price for a time is in force, nothing is drawn without it,
        and nothing once the price has ended: the schedule then brings the other price.
        """
        account = self._account()
        return await self._database.inspect(lambda connection: find_stale(connection, account, limit, now))

    async def store_drawn(self, drawn: Sequence[DrawnLabel]) -> None:
        """Store pictures. One that the label shows already, or that is on its way, is not pushed again."""

        def work(connection: sqlite3.Connection) -> None:
            for one in drawn:
                store_drawn(connection, one)

        await self._database.transact(work)

    async def store_failed(self, problems: Mapping[int, str], changes: Mapping[int, int] = NO_CHANGES) -> None:
        """Store why labels cannot show what they should, by their numbers in the database.

        `changes` are those that were looked at while drawing.
        """
        await self._database.executemany(
            "UPDATE label SET state = 'failed', problem = ?, item = NULL, changes = max(changes - ?, 0) "
            "WHERE number = ?",
            [(write_text(problem), changes.get(number, 0), number) for number, problem in problems.items()],
        )

    async def note_drawing(self, version: str, fingerprint: bytes) -> None:
        """Have all labels drawn again if they were drawn by another version, or with another fingerprint."""
        account = self._account()

        def work(connection: sqlite3.Connection) -> None:
            wanted = (account, version, fingerprint)
            known = connection.execute("SELECT * FROM label_drawing WHERE account = ?", (account,)).fetchone()
            if known is not None and tuple(known) == wanted:
                return
            connection.execute(
                "UPDATE label SET changes = 1 WHERE account = ? AND content = 'product' AND changes = 0", (account,)
            )
            connection.execute("INSERT OR REPLACE INTO label_drawing VALUES (?, ?, ?)", wanted)

        await self._database.transact(work)

    async def mark_template(self, template: str) -> None:
        """Have the labels of a template drawn again."""
        await self._database.execute(
            "UPDATE label SET changes = changes + 1 WHERE account = ? AND content = 'product' AND template = ?",
            (self._account(), template),
        )

    # Pushing

    async def list_open(self, states: Sequence[LabelState]) -> list[OpenLabel]:
        """Return all labels in one of these states (not `shown`, not `vendor`), in the order of their numbers."""
        parameters = (self._account(), json.dumps(list(states)))
        query = (
            "SELECT number, state, item FROM label WHERE account = ? AND state NOT IN ('shown', 'vendor') "
            "AND state IN (SELECT value FROM json_each(?)) ORDER BY number"
        )

        def work(connection: sqlite3.Connection) -> list[OpenLabel]:
            return [OpenLabel(*row) for row in connection.execute(query, parameters)]

        return await self._database.inspect(work)

    async def load(self, numbers: Sequence[int]) -> list[StoredLabel]:
        """Return the labels with these numbers in the database that are there."""
        return await self._load("number IN (SELECT value FROM json_each(?))", (json.dumps(list(numbers)),))

    async def find_unpushed(self, limit: int) -> list[StoredLabel]:
        """Return labels whose picture can be handed over to the outbox, the one that waits longest first."""
        return await self._load(
            "account = ? AND state NOT IN ('shown', 'vendor') AND state = 'waiting' AND changes = 0 AND esl_id <> '' "
            "AND picture IS NOT NULL ORDER BY changed_at, number LIMIT ?",
            (self._account(), limit),
        )

    async def find_unidentified(self, limit: int) -> list[StoredLabel]:
        """Return labels of which the cloud's id or the model is not known."""
        return await self._load(
            "account = ? AND state NOT IN ('shown', 'vendor', 'failed') AND (esl_id = '' OR model = '') "
            "ORDER BY number LIMIT ?",
            (self._account(), limit),
        )

    async def store_identity(self, number: int, *, esl_id: str, esl_code: str, model: str) -> list[StoredLabel]:
        """Store how the cloud names a label, and its model where none was known.

        If it has been bound by another name, too, what was said last holds. Return what was said before: it is gone.
        """
        account = self._account()
        return await self._database.transact(
            lambda connection: store_identity(connection, account, number, esl_id, esl_code, model)
        )

    async def begin_push(self, numbers: Sequence[int]) -> None:
        """Take note that pictures are being handed over: after a crash nobody knows whether the labels show them."""
        await self._database.executemany(
            "UPDATE label SET shown_hash = '' WHERE number = ?", [(number,) for number in numbers]
        )

    async def list_items(self) -> set[int]:
        """Return the outbox items that carry the pictures of labels, those of other accounts, too."""
        rows = await self._database.read("SELECT item FROM label WHERE state = 'sent' AND item IS NOT NULL")
        return {row["item"] for row in rows}

    async def store_sent(self, items: Mapping[int, int], hashes: Mapping[int, str]) -> None:
        """Store which outbox items carry the pictures with these hashes, by the labels' numbers in the database."""
        await self._database.executemany(
            "UPDATE label SET state = iif(pixel_hash = ?, 'sent', state), item = ?, shown_hash = '', problem = '' "
            "WHERE number = ? AND state <> 'vendor'",
            [(hashes[number], item, number) for number, item in items.items()],
        )

    async def find_by_items(self, items: Sequence[int]) -> list[StoredLabel]:
        """Return the labels whose pictures these outbox items carry."""
        return await self._load(
            "account = ? AND state = 'sent' AND item IN (SELECT value FROM json_each(?))",
            (self._account(), json.dumps(list(items))),
        )

    async def store_outcomes(self, states: Mapping[int, tuple[LabelState, str]], *, now: int) -> None:
        """Store the state and the problem that follow from the outcomes of labels' items, by the items' numbers."""
        await self._database.executemany(
            "UPDATE label SET state = ?1, problem = ?2, pushed_at = iif(?1 = 'pushed', ?3, pushed_at) "
            "WHERE item = ?4 AND state = 'sent'",
            [(state, write_text(problem), now, item) for item, (state, problem) in states.items()],
        )

    async def take_back_items(self, items: Sequence[int]) -> None:
        """Take note that outbox items do not carry pictures any more."""
        await self._database.execute(
            "UPDATE label SET state = 'waiting', item = NULL WHERE state = 'sent' "
            "AND item IN (SELECT value FROM json_each(?))",
            (json.dumps(list(items)),),
        )

    async def take_back(self) -> list[int]:
        """Have labels drawn again whose pictures hold prices for a time, and may not have reached the cloud.

        Return the outbox items that carry them: the prices may have ended meanwhile.
        """
        account = self._account()

        def work(connection: sqlite3.Connection) -> list[int]:
            where = "account = ? AND state IN ('waiting', 'sent') AND valid_until IS NOT NULL"
            rows = connection.execute(f"SELECT item FROM label WHERE {where}", (account,)).fetchall()  # noqa: S608
            connection.execute(
                f"UPDATE label SET changes = changes + 1, state = 'waiting', item = NULL WHERE {where}",  # noqa: S608
                (account,),
            )
            return [row[0] for row in rows if row[0] is not None]

        return await self._database.transact(work)

    # Confirming

    async def store_reading(
        self, label: StoredLabel, reading: Mapping[str, Any], *, state: LabelState, problem: str, now: int
    ) -> bool:
        """Store what the cloud said of a label, and its state if it is still as it was. Return whether it was."""
        values = {
            "reading": json_text.dumps(reading), "state": state, "problem": write_text(problem), "now": now,
            "number": label.number, "old": label.state, "item": label.item, "hash": label.pixel_hash,
        }  # fmt: skip

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("UPDATE label SET reading = :reading WHERE number = :number", values)
            cursor = connection.execute(
                "UPDATE label SET state = :state, problem = :problem, "
                "shown_at = iif(:state = 'shown', :now, shown_at), "
                "shown_until = iif(:state = 'shown', valid_until, shown_until), "
                "shown_hash = iif(:state = 'shown', pixel_hash, shown_hash) "
                "WHERE number = :number AND state = :old AND item IS :item AND pixel_hash = :hash",
                values,
            )
            return cursor.rowcount > 0

        return await self._database.transact(work)

    async def push_again(self, numbers: Sequence[int]) -> None:
        """Have the pictures of labels pushed again."""
        await self._database.executemany(
            "UPDATE label SET state = 'waiting' WHERE number = ? AND state = 'retrying'", [(one,) for one in numbers]
        )

    async def begin_verification(self, numbers: Sequence[int] | None = None, *, pushes: bool = False) -> int:
        """Ask all labels again, or some, by number in the database; what has failed is tried again. Return how many.

        With `pushes`, the pictures that the cloud has are pushed again, too.
        """
        account = self._account()
        some = json.dumps(None if numbers is None else list(numbers))

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "UPDATE label SET problem = '', changes = changes + (state = 'failed' AND content = 'product'), "
                "esl_id = iif(state = 'failed' AND name <> esl_id, '', esl_id), "  # it may be another one by now
                "state = iif(state = 'shown' AND NOT ?3, 'pushed', 'waiting') WHERE account = ?1 "
                "AND (state IN ('shown', 'failed', 'retrying') OR (?3 AND state = 'pushed')) "
                "AND (?2 = 'null' OR number IN (SELECT value FROM json_each(?2)))",
                (account, some, pushes),
            )
            return cursor.rowcount

        return await self._database.transact(work)

    async def find_expired(self, before: int) -> list[StoredLabel]:
        """Return labels that show a price that ended before a time, in Unix seconds."""
        return await self._load(
            "account = ? AND shown_until IS NOT NULL AND shown_until <= ?", (self._account(), before)
        )

    async def _load(self, condition: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[StoredLabel]:
        query = f"SELECT {COLUMNS} FROM label WHERE {condition}"  # noqa: S608

        def work(connection: sqlite3.Connection) -> list[StoredLabel]:
            return [read_label(row) for row in connection.execute(query, parameters)]

        return await self._database.inspect(work)


def _make_pattern(words: str) -> str:
    return "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
