"""Accounts in the database: which one the settings describe, and how many items wait for others."""

import sqlite3
from typing import Any, Final, NamedTuple

from gateway.outbox.account import UNKNOWN_ACCOUNT, Account

_SELECT: Final = "SELECT base_url, app_id, shop_id, sunmi_shop_no, id, proved FROM account"


class CurrentAccount(NamedTuple):
    """The account of the settings, as the database knows it."""

    number: int
    """Its number."""
    proved: bool
    """Whether the cloud ever accepted a call for its shop."""


class HeldItems(NamedTuple):
    """Items that wait for another account than that of the settings."""

    account: Account | None
    """That account; None if its description was lost with a damaged database."""
    items: int
    """How many."""

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {"account": None if self.account is None else self.account.describe(), "items": self.items}

    def __str__(self) -> str:
        return f"{self.items} for {self.account or UNKNOWN_ACCOUNT}"


class Moved(NamedTuple):
    """What moving items to the current account has done."""

    released: int
    """How many items wait for the current account since."""
    outdated: int
    """How many stay behind, since a newer version of the same thing was delivered for the current account."""


def open_account(connection: sqlite3.Connection, account: Account) -> CurrentAccount:
    """Make an account the current one, and give it the items of those that the cloud never accepted.

    Such an account is taken for a mistake in the settings that was mended.
    """
    [last] = connection.execute("SELECT account FROM outbox").fetchone()
    known = [(Account(*row[:4]), row[4], bool(row[5])) for row in connection.execute(f"{_SELECT} ORDER BY id DESC")]
    known.sort(key=lambda one: one[1] != last)
    same = next((one for one in known if account.is_same(one[0])), None)
    if same is None:
        number, proved = _insert(connection, account), False
    else:
        older, number, proved = same
        merged = account.merged_with(older)
        connection.execute(
            "UPDATE account SET shop_id = ?, sunmi_shop_no = ? WHERE id = ?",
            (merged.shop_id, merged.sunmi_shop_no, number),
        )
    for _, other, other_proved in known:
        if other != number and not other_proved:
            _move(connection, other, number)
            connection.execute("DELETE FROM account WHERE id = ?", (other,))
    connection.execute("UPDATE outbox SET account = ?", (number,))
    return CurrentAccount(number, proved)


def prove(connection: sqlite3.Connection, number: int) -> None:
    """Note that the cloud accepted a call for the shop of an account."""
    connection.execute("UPDATE account SET proved = 1 WHERE id = ?", (number,))


def count_held(connection: sqlite3.Connection, current: int) -> list[HeldItems]:
    """Return how many items wait for each other account."""
    counts = connection.execute(
        "SELECT account, count(*) FROM item WHERE state = 'waiting' AND account != ? GROUP BY account", (current,)
    ).fetchall()
    accounts = {row[4]: Account(*row[:4]) for row in connection.execute(_SELECT)}
    return [HeldItems(accounts.get(number), count) for number, count in counts]


def move_to_current(connection: sqlite3.Connection, current: int) -> Moved:
    """Give the current account all items of others that are not delivered.

    Those that would undo a newer version of the same thing, which was delivered for the current account, stay.
    """
    movable = (
        "account != :current AND state IN ('waiting', 'refused', 'expired') AND NOT EXISTS ("
        "SELECT 1 FROM item AS newer WHERE newer.order_key = item.order_key AND newer.account = :current "
        "AND newer.sequence > item.sequence AND newer.state = 'delivered')"
    )
    moved = connection.execute(
        f"UPDATE item SET account = :current WHERE {movable} RETURNING state",  # noqa: S608
        {"current": current},
    ).fetchall()
    left = connection.execute(
        "SELECT count(*) FROM item WHERE account != ? AND state = 'waiting'", (current,)
    ).fetchone()[0]
    return Moved(sum(state == "waiting" for (state,) in moved), left)


def _insert(connection: sqlite3.Connection, account: Account) -> int:
    row = connection.execute(
        "INSERT INTO account (base_url, app_id, shop_id, sunmi_shop_no, proved) VALUES (?, ?, ?, ?, 0) RETURNING id",
        (account.base_url, account.app_id, account.shop_id, account.sunmi_shop_no),
    ).fetchone()
    return int(row[0])


def _move(connection: sqlite3.Connection, old: int, new: int) -> None:
    for table in ("item", "submission"):
        connection.execute(f"UPDATE OR IGNORE {table} SET account = ? WHERE account = ?", (new, old))  # noqa: S608
