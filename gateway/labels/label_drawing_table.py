"""Rows of labels that are to be drawn, and of those that were."""

import sqlite3
from typing import Final

from gateway.labels.label import DrawnLabel, StaleLabel
from gateway.labels.label_rows import COLUMNS, read_label, write_reports

_COLUMNS: Final = ", ".join(f"label.{name}" for name in COLUMNS.split(", "))
_TIMED: Final = (
    "FROM product_timed_price AS timed WHERE timed.account = label.account "
    "AND timed.product_id = label.product_id AND timed.ends_at IS NOT NULL AND timed.begins_at <= :now"
)


def find_stale(connection: sqlite3.Connection, account: int, limit: int, now: int | None) -> list[StaleLabel]:
    """Return labels that can be drawn now.

    `now` is the trusted time, in Unix seconds. Where a price for a time is in force, nothing is drawn without it, and
    nothing once the price has ended: the schedule then brings the other price.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS}, product.wanted AS wanted, iif(product.base IS NULL, NULL, (SELECT max(begins_at) "  # noqa: S608
        f"{_TIMED})) AS price_from, iif(product.base IS NULL, NULL, (SELECT min(ends_at) {_TIMED})) AS price_until "
        "FROM label LEFT JOIN product ON product.account = label.account "
        "AND product.product_id = label.product_id WHERE label.account = :account AND changes > 0 "
        "AND model <> '' AND (product.base IS NULL OR (:now IS NOT NULL AND ifnull(price_until, :now + 1) > :now)) "
        "ORDER BY label.number LIMIT :limit",
        {"account": account, "now": now, "limit": limit},
    )
    return [StaleLabel(read_label(row), row["wanted"], row["price_from"], row["price_until"]) for row in rows]


def store_drawn(connection: sqlite3.Connection, one: DrawnLabel) -> None:
    """Store a picture. One that the label shows already, or that is on its way, is not pushed again."""
    connection.execute(
        "UPDATE label SET changes = changes - ?6, reports = ?1, picture = ?2, valid_until = ?3, "
        "problem = iif(pixel_hash = ?4 AND state <> 'failed', problem, ''), "
        "state = CASE WHEN state = 'vendor' THEN state WHEN shown_hash = ?4 THEN 'shown' "
        "WHEN pixel_hash = ?4 AND state <> 'failed' THEN state ELSE 'waiting' END, "
        "shown_until = iif(shown_hash = ?4, ?3, shown_until), pixel_hash = ?4 WHERE number = ?5 AND changes >= ?6",
        (write_reports(one.reports), one.picture, one.valid_until, one.pixel_hash, one.number, one.changes),
    )
