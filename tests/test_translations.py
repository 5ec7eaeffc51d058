"""Every text for people has a Chinese translation, and the catalogues are those of the texts."""

import ast
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po

from tests.each import for_each
from tests.test_layers import modules

ROOT = Path(__file__).parent.parent
TEMPLATES: Final = {"message": 1, "count_message": 2}
"""How many templates a function takes."""
FOREIGN: Final = "click"
"""The catalogue of a library's texts."""
FIELD: Final = r"(?:\{(?!max|limit)\w+(?::[^{}]*)?\}|%\((?!max|limit)\w+\)s)"
"""A placeholder that may stand for a number. A limit is never 1."""
LIMIT: Final = re.compile(r"(?:at most|at least|more than|longer than|less than|\bto)(?: the)? $")
"""What stands before a limit."""
NEVER_ONE: Final = (
    "the last of {disk} parts",  # said only of several
    "{count} shops at once, without --waves?",  # asked only for several
    "{count} shops would be told at once",
    "%(total)s steps",  # all that a demonstration has
    "%(all)s steps",
    "{all} steps",
    "{discovered} cameras",  # the demo has the same ones each time
    "{events} events received",
    "{count} cameras and a cloud",
    "{network} has {count} addresses",  # too many to try
    "QR code of {count} characters",  # one has room
    "{range} characters",  # words such as `1 to 32`
    "%(minutes)s minutes",  # constants
    "{minutes:.0f} minutes",
    "%(seconds)s seconds",
    "{hours:.0f} hours",
    "{webhook_id} tries",  # verbs
    "row {row} names",
)
"""Parts of texts whose number is never 1, or that is none."""
STORED: Final = frozenset({"{count} cameras", "{count} products"})
"""What stored changes name as their object: the words are kept."""


def test_every_text_is_translated_and_the_catalogues_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "packaging/translations.py"), "--check"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    assert result.stdout == ""
    assert result.returncode == 0


@for_each(modules())
def test_messages_are_literals_with_a_value_for_each_field(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if "message(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TEMPLATES):
            continue
        where = f"{file}:{node.lineno}"
        count = TEMPLATES[node.func.id]
        given = {keyword.arg for keyword in node.keywords}
        if count == 2:
            assert len(node.args) + ("count" in given) == 3, where
            given.add("count")
        else:
            assert len(node.args) == 1, where
        for template in node.args[:count]:
            assert isinstance(template, ast.Constant), f"{where}: the template is not a literal"
            assert isinstance(template.value, str), where
            fields = {name for _, name, _, _ in string.Formatter().parse(template.value) if name is not None}
            assert fields == given, where
            assert all(name.isidentifier() for name in fields), where


def list_texts() -> Iterator[tuple[str, str]]:
    """Yield each English text of the catalogues, and its plural if it has one."""
    for file in sorted(ROOT.glob("*/locale/zh/LC_MESSAGES/*.po")):
        if file.stem == FOREIGN:
            continue
        with file.open("rb") as stream:
            for entry in read_po(stream):
                if entry.id:
                    yield (entry.id, "") if isinstance(entry.id, str) else (entry.id[0], entry.id[1])


def list_plurals() -> set[str]:
    """Return the nouns of which the catalogues have the singular in one text and the plural in its other form."""
    found = set()
    for one, other in list_texts():
        singular, plural = (set(re.findall("[a-z]+", re.sub(FIELD, "", text))) for text in (one, other))
        found |= {
            word
            for word in plural - singular
            if word.endswith("s") and {word[:-1], word[:-2], f"{word[:-3]}y"} & (singular - plural)
        }
    return found


def find_wrong_plurals(text: str, plurals: set[str]) -> list[str]:
    """Return where a text would say `1 cards`."""
    pattern = rf"{FIELD} (?:(?:managed|more|new|other) )?(?:{'|'.join(sorted(plurals))})\b"
    return [found[0] for found in re.finditer(pattern, text) if not LIMIT.search(text[: found.start()])]


def test_no_text_says_1_cards() -> None:
    plurals = list_plurals()
    assert {"addresses", "calls", "cameras", "cards", "products", "rows", "shops"} <= plurals
    assert find_wrong_plurals("at most {count} cards; {done:.0f} new cards, %(num)s rows, {max} rows", plurals) == [
        "{done:.0f} new cards",
        "%(num)s rows",
    ]
    wrong = [
        (text, found)
        for text, _ in list_texts()
        for found in find_wrong_plurals(text, plurals)
        if text not in STORED and not any(part in text and found in part for part in NEVER_ONE)
    ]
    assert not wrong, "use count_message or ngettext, or words that need no plural (`cards: {count}`)"


def test_the_singular_and_the_plural_of_a_text_have_the_same_fields() -> None:
    for one, other in list_texts():
        if other:
            assert set(re.findall(FIELD, one)) == set(re.findall(FIELD, other)), one
