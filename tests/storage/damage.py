"""Ways in which a card or a power cut damages a database file."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

PAGE = 4096
GROUP = PAGE // 5 + 1
"""A page of the pointer map, with the pages that it describes."""


class Damage:
    """A database file, which nobody has open, to be damaged at random. `sound` tells where its tables begin."""

    def __init__(self, path: Path, dice: random.Random, sound: Path) -> None:
        self.path = path
        self.dice = dice
        self.content = bytearray(path.read_bytes())
        self.pages = len(self.content) // PAGE
        with closing(sqlite3.connect(f"{sound.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            rows = connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'").fetchall()
        self.roots = dict(rows)

    def spoil(self, pages: Sequence[int]) -> None:
        """Fill these pages, counted from 1, with garbage."""
        for page in pages:
            self.content[(page - 1) * PAGE : page * PAGE] = self.dice.randbytes(PAGE)

    def write(self) -> None:
        self.path.write_bytes(self.content)


def three_pages(damage: Damage) -> None:
    damage.spoil(damage.dice.sample(range(2, damage.pages + 1), 3))


def first_page(damage: Damage) -> None:
    damage.spoil([1])


def empty_first_page(damage: Damage) -> None:
    damage.content[:PAGE] = bytes(PAGE)


def schema(damage: Damage) -> None:
    texts = (b"CREATE TABLE", b"CREATE INDEX")
    pages = range(2, damage.pages + 1)
    damage.spoil(
        [page for page in pages if any(text in damage.content[(page - 1) * PAGE : page * PAGE] for text in texts)]
    )


def schema_text(damage: Damage) -> None:
    """Make a name in the schema one that is not UTF-8, and its text wrong: SQLite's message quotes the name."""
    damage.content = damage.content.replace(b"tabletokentoken", b"table\x8d\xffken\x8d\xffken")
    damage.content = damage.content.replace(b"CREATE TABLE token (", b"CREATE TABLE \x8d\xff{}! (")


def first_page_and_schema(damage: Damage) -> None:
    schema(damage)
    first_page(damage)


def roots_of_large_tables(damage: Damage) -> None:
    damage.spoil([damage.roots[table] for table in ("item", "item_content", "event", "token")])


def pointer_map(damage: Damage) -> None:
    damage.spoil(range(2, damage.pages + 1, GROUP))


def root_and_map(damage: Damage) -> None:
    roots_of_large_tables(damage)
    pointer_map(damage)


def empty_block(damage: Damage) -> None:
    begin = damage.dice.randrange(1, max(2, damage.pages - 32)) * PAGE
    damage.content[begin : begin + 32 * PAGE] = bytes(32 * PAGE)


def sectors(damage: Damage) -> None:
    for _ in range(10):
        begin = damage.dice.randrange(PAGE, len(damage.content), 512)
        damage.content[begin : begin + 512] = damage.dice.randbytes(512)


def cut_off(damage: Damage) -> None:
    del damage.content[damage.dice.randrange(damage.pages // 2, damage.pages) * PAGE :]


HARMLESS: Sequence[Callable[[Damage], None]] = (
    first_page, empty_first_page, schema, schema_text, first_page_and_schema, roots_of_large_tables, pointer_map,
    root_and_map,
)  # fmt: skip
"""Kinds of damage that cost no row: what they destroy is known from elsewhere."""
HARMFUL: Sequence[Callable[[Damage], None]] = (three_pages, empty_block, sectors, cut_off)
"""Kinds of damage that cost the rows that were there."""
