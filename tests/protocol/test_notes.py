"""NOTES.md and the references to it agree: code and tests cite what a reader of the repository can look up."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gateway import protocol
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import encode_request
from gateway.protocol.reference import render
from tests.each import for_each

ROOT = Path(__file__).parent.parent.parent
NOTES = Path(protocol.__file__).parent / "NOTES.md"
FOLDERS = ("gateway", "firmware_tools", "tests")
KINDS = {".py", ".md", ".json", ".toml", ".html", ".js", ".css", ".sql", ".sh"}

_FACT = re.compile(r"^### (.+)\n\n(.*)$", re.MULTILINE)
_REFERENCE = re.compile(r"\(NOTES: ([^()]+)\)")
_LINK = re.compile(r"\[([^]]+)\]\(#([^)]+)\)")
_ELSEWHERE = re.compile(r"\bseed 0\d\d\b|\bnotes?, (?:sections?|contradictions?|[0-9])|\bthe seed'?s?\b", re.IGNORECASE)
"""Citations of documents that no reader of the repository has."""
_MAY_CITE = re.compile("note|seed", re.IGNORECASE)

FACTS: dict[str, str] = dict(_FACT.findall(NOTES.read_text(encoding="utf-8")))
"""Headings of the notes, each with the first line below it."""


@cache
def lines() -> list[tuple[str, str]]:
    """Return every line of the repository that may cite, with its place."""
    found = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in KINDS and file not in (NOTES, Path(__file__)):
                place = file.relative_to(ROOT)
                for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                    if _MAY_CITE.search(line):
                        found.append((f"{place}:{number}", line))
    return found


def references() -> Iterator[tuple[str, str]]:
    """Yield every heading that is referred to, with the place."""
    for place, line in lines():
        for headings in _REFERENCE.findall(line):
            for heading in headings.split("; "):
                yield place, heading


def test_every_reference_leads_to_a_heading() -> None:
    assert [(place, heading) for place, heading in references() if heading not in FACTS] == []


def test_every_reference_has_the_form_that_is_looked_for() -> None:
    assert [place for place, line in lines() if "NOTES:" in _REFERENCE.sub("", line)] == []


def test_every_heading_is_referred_to_or_background() -> None:
    background = {heading for heading, first in FACTS.items() if first.startswith("*Background.*")}
    assert set(FACTS) - {heading for _, heading in references()} == background


@for_each(FACTS)
def test_a_fact_has_a_source(heading: str) -> None:
    assert FACTS[heading].startswith(("*Source:* ", "*Background.* "))


def test_a_fact_has_a_confidence() -> None:
    facts = re.split(r"^##", NOTES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sourced = [fact for fact in facts if "*Source:*" in fact]
    assert [fact.partition("\n")[0] for fact in sourced if "*Confidence:*" not in fact] == []


def test_the_table_of_contents_is_complete() -> None:
    text = NOTES.read_text(encoding="utf-8")
    contents = text[text.index("**Contents**") : text.index("\n## ")]
    headings = re.findall(r"^###? (.+)$", text, re.MULTILINE)
    assert _LINK.findall(contents) == [(heading, heading.lower().replace(" ", "-")) for heading in headings]


def test_the_printed_discovery_request_is_the_one_that_is_sent() -> None:
    [printed] = re.findall(r"^ {4}(ffff33ff[0-9a-f ]+)$", NOTES.read_text(encoding="utf-8"), re.MULTILINE)
    assert bytes.fromhex(printed) == encode_request()


def test_nothing_cites_what_is_not_in_the_repository() -> None:
    assert [place for place, line in lines() if _ELSEWHERE.search(line)] == []


def test_what_users_read_cites_nothing() -> None:
    assert "NOTES:" not in render(CATALOGUE)
