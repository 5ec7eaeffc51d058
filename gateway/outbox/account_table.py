"""Accounts in the database: which one the settings describe, and how many items wait for others."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from dataclasses import astuple
from enum import IntEnum
from typing import Any, Final, NamedTuple

from gateway.outbox.account import UNKNOWN_ACCOUNT, Account
from gateway.protocol import json_text

_TEXTS: Final = ("base_url", "app_id", "shop_id", "sunmi_shop_no")
_SELECT: Final = f"SELECT id, proof, {', '.join(_TEXTS)} FROM account ORDER BY id"  # noqa: S608


class Proof(IntEnum):
    """What the cloud ever accepted of an account."""

    NONE = 0
    """Nothing."""
    APPLICATION = 1
    """A call, so application and environment are right."""
    SHOP = 2
    """A call for the account's own shop."""


class CurrentAccount(NamedTuple):
    """The account of the settings, as the database knows it."""

    number: int
    """Its number. Numbers are never given twice while anything has them."""
    account: Account
    """What the settings say, and the keys of the shop that only earlier settings said."""
    proof: Proof
    """What the cloud ever accepted of it."""


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
    """How many stay behind, since a newer version of the same thing was delivered for the current account, or is being
    sent."""


def open_account(connection: sqlite3.Connection, account: Account) -> CurrentAccount:
    """Make an account the current one, and give it what waits for a description that was a mistake in the settings.

    That is one that the cloud never accepted, or of the same application with a shop that it never accepted.
    """
    [last] = connection.execute("SELECT account FROM outbox").fetchone()
    known = {stored.account: stored for stored in _load(connection)}
    same = account.find_same(list(known))
    if same is not None:
        current = known[same]._replace(account=account.merged_with(same))
    elif last is None or any(other.number == last for other in known.values()):
        current = CurrentAccount(_find_free_number(connection), account, Proof.NONE)
    else:  # its description was lost with a damaged database: the settings describe it still
        current = CurrentAccount(last, account, Proof.SHOP)
    connection.execute(
        f"INSERT OR REPLACE INTO account (id, {', '.join(_TEXTS)}, proof) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
        (current.number, *astuple(current.account), current.proof),
    )
    mistaken = [other for other in known.values() if other.number != current.number and _is_mistake(other, account)]
    for other in mistaken:
        _replace(connection, other.number, current.number)
    if mistaken or same != current.account:
        _remove_own_shop(connection, current)
    connection.execute("UPDATE outbox SET account = ?", (current.number,))
    return current


def store_proof(connection: sqlite3.Connection, number: int, proof: Proof) -> None:
    """Note which calls of an account the cloud accepted."""
    connection.execute("UPDATE account SET proof = max(proof, ?) WHERE id = ?", (proof, number))


def count_held(connection: sqlite3.Connection, current: int) -> list[HeldItems]:
    """Return how many items wait for each other account."""
    counts = connection.execute(
        "SELECT account, count(*) FROM item WHERE state = 'waiting' AND account != ? GROUP BY account", (current,)
    ).fetchall()
    accounts = {stored.number: stored.account for stored in _load(connection)}
    return [HeldItems(accounts.get(number), count) for number, count in counts]


def move_to_current(connection: sqlite3.Connection, current: CurrentAccount, in_flight: Collection[int]) -> Moved:
    """Give the current account all items of others that are not delivered, with their submissions.

    Those that would undo a newer version of the same thing stay: one that was delivered for the current account, or is
    being sent.
    """
    movable = (
        "account != :current AND state IN ('waiting', 'refused', 'expired') AND NOT EXISTS ("
        "SELECT 1 FROM item AS newer WHERE newer.order_key = item.order_key AND newer.account = :current "
        "AND newer.sequence > item.sequence "
        "AND (newer.state = 'delivered' OR newer.sequence IN (SELECT value FROM json_each(:in_flight))))"
    )
    moved = connection.execute(
        f"UPDATE item SET account = :current WHERE {movable} RETURNING state",  # noqa: S608
        {"current": current.number, "in_flight": json.dumps(list(in_flight))},
    ).fetchall()
    # A repeat with the same key is of the account to which all items of the first call belong now.
    connection.execute(
        "UPDATE OR IGNORE submission SET account = :current WHERE account != :current AND EXISTS "
        "(SELECT 1 FROM item WHERE item.submission = submission.id AND item.account = :current) AND NOT EXISTS "
        "(SELECT 1 FROM item WHERE item.submission = submission.id AND item.account != :current)",
        {"current": current.number},
    )
    _remove_own_shop(connection, current)
    left = connection.execute(
        "SELECT count(*) FROM item WHERE account != ? AND state = 'waiting'", (current.number,)
    ).fetchone()[0]
    return Moved(sum(state == "waiting" for (state,) in moved), left)


def _load(connection: sqlite3.Connection) -> list[CurrentAccount]:
    return [
        CurrentAccount(number, Account(*texts), Proof(proof))
        for number, proof, *texts in connection.execute(_SELECT).fetchall()
    ]


def _find_free_number(connection: sqlite3.Connection) -> int:
    """Return a number that nothing has, also where the descriptions of accounts were lost."""
    columns = (("account", "id"), ("item", "account"), ("submission", "account"), ("product", "account"))
    queries = [f"SELECT max({column}) FROM {table}" for table, column in columns]  # noqa: S608
    return 1 + max(connection.execute(query).fetchone()[0] or 0 for query in queries)


def _is_mistake(other: CurrentAccount, account: Account) -> bool:
    return other.proof is Proof.NONE or (
        other.proof is Proof.APPLICATION and account.has_same_application(other.account)
    )


def _replace(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give all that belongs to an account to another one, and remove it. Keys that the other one has win."""
    connection.execute("UPDATE item SET account = ? WHERE account = ?", (new, old))
    connection.execute("UPDATE OR IGNORE submission SET account = ? WHERE account = ?", (new, old))
    connection.execute("UPDATE submission SET account = ?, idempotency_key = NULL WHERE account = ?", (new, old))
    connection.execute("DELETE FROM account WHERE id = ?", (old,))


def _remove_own_shop(connection: sqlite3.Connection, current: CurrentAccount) -> None:
    """Let items that name the account's own shop be like those that name none: it is filled in when they are sent."""
    own = {name: value for name, value in current.account.shop.items() if value}
    rows = connection.execute(
        "SELECT sequence, CAST(shared AS BLOB), CAST(order_key AS BLOB), CAST(other_keys AS BLOB) FROM item "
        "WHERE account = ? AND shared != '{}'",
        (current.number,),
    ).fetchall()
    for sequence, shared, order_key, other_keys in rows:
        # A damaged item stays as it is; the queue refuses it.
        with suppress(ValueError, TypeError, AttributeError, RecursionError):
            fields = json_text.loads(shared)
            keys = [order_key.decode(), *(json_text.loads(other_keys) if other_keys is not None else ())]
            for name, value in own.items():
                if fields.get(name) == value:
                    del fields[name]
                    keys = [_without_shop(key, value) for key in keys]
            connection.execute(
                "UPDATE item SET shared = ?, order_key = ?, other_keys = ? WHERE sequence = ?",
                (json_text.dumps(fields), keys[0], json.dumps(keys[1:]) if keys[1:] else None, sequence),
            )


def _without_shop(key: str, shop: str) -> str:
    """Return a key as it is without a shop: `order:10096:A` becomes `order::A`."""
    kind, _, rest = key.partition(":")
    return f"{kind}::{rest.removeprefix(f'{shop}:')}" if rest.startswith(f"{shop}:") else key
