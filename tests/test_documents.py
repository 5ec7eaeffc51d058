"""Documents are true: their links and headings resolve, and the files that they name exist."""

import re
from pathlib import Path

import pytest

from gateway.cli.simulate import store
from gateway.simulator.store import SimulatedStore

ROOT = Path(__file__).parent.parent
FOLDERS = (".github", "firmware_tools", "gateway", "packaging", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md"))])
MAX_README_LINES = 130
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
EXPLICIT = re.compile(r"<a (?:id|name)=\"([^\"]+)\">")
SERIAL_NUMBER = re.compile(r"\b[A-Z]{1,2}\d{3}D8BS\d{5}\b")
LABEL = re.compile(r"\bSKDI\w+\b")
NAMED = re.compile(r"`([a-z_]+(?:/[a-z_]+)*/?[a-z_]+\.(?:py|sh|toml))`")


def read_prose(document: Path) -> str:
    """Return a document without its blocks of code."""
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def find_anchors(document: Path) -> set[str]:
    """Return what links may name behind `#`: each heading in lower case, without punctuation, with hyphens."""
    found = set(EXPLICIT.findall(read_prose(document)))
    for heading in HEADING.findall(read_prose(document)):
        text = LINK.sub("]", heading).lower().replace("`", "")
        anchor = base = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{base}-{number}"
        found.add(anchor)
    return found


def find_links(document: Path) -> list[str]:
    """Return the relative links of a document."""
    links = LINK.findall(read_prose(document))
    return [link for link in links if "://" not in link and not link.startswith("mailto:")]


def resolves(document: Path, link: str) -> bool:
    """Tell whether a relative link leads to a file, and to a heading if it names one."""
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    return target.exists() and (not anchor or anchor in find_anchors(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    assert [link for link in find_links(document) if not resolves(document, link)] == []


def test_a_link_to_a_missing_file_or_heading_does_not_resolve(tmp_path: Path) -> None:
    document = tmp_path / "one.md"
    document.write_text("# A till's first call\n\n```sh\n# no heading\n```\n\n## Twice\n\n## Twice\n", encoding="utf-8")
    assert all(resolves(document, link) for link in ("one.md", "#a-tills-first-call", "one.md#twice", "#twice-1"))
    assert not any(resolves(document, link) for link in ("two.md", "#no-heading", "one.md#twice-2"))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize(
    "document",
    [ROOT / name for name in ("gateway/README.md", "packaging/README.md", ".github/CONTRIBUTING.md")],
    ids=lambda document: str(document.relative_to(ROOT)),
)
def test_files_that_are_named_exist(document: Path) -> None:
    named = NAMED.findall(document.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(f"gateway/**/{name}"))] == []


def find_examples(document: Path, name: re.Pattern[str]) -> set[str]:
    """Return such names in a document's blocks of code, without the vendor's worked example of a signature."""
    lines = [line for block in FENCE.findall(document.read_text(encoding="utf-8")) for line in block.splitlines()]
    return {found for line in lines if "sunmi-gateway sign" not in line for found in name.findall(line)}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [("README.md", ".github/README.zh.md"), ("gateway/cli/README.md", "gateway/cli/README.zh.md")],
)
def test_a_translated_document_has_the_same_headings_and_commands(english: str, chinese: str) -> None:
    ours, theirs = ROOT / english, ROOT / chinese
    assert ours.resolve() in {(theirs.parent / link).resolve() for link in find_links(theirs)}
    assert theirs.resolve() in {(ours.parent / link).resolve() for link in find_links(ours)}
    levels = [re.findall(r"^#+(?= )", read_prose(one), re.MULTILINE) for one in (ours, theirs)]
    assert levels[0] == levels[1]
    assert find_commands(ours) == find_commands(theirs)


def find_commands(document: Path) -> list[str]:
    """Return the lines of a document's blocks of code, without their comments."""
    blocks = FENCE.findall(document.read_text(encoding="utf-8"))
    return [re.sub(r"(^|\s+)# .*", "", line) for block in blocks for line in block.splitlines()]


async def test_examples_name_cameras_and_labels_of_the_simulated_store() -> None:
    defaults = store.make_context("store", []).params
    async with SimulatedStore(cameras=defaults["count"]) as simulated:
        cameras = {camera.sn for camera in simulated.cameras}
        labels = {label.code for label in simulated.cloud.read_labels(simulated.shop_id).values()}
    for name, known in ((SERIAL_NUMBER, cameras), (LABEL, labels)):
        found = {document: find_examples(document, name) - known for document in DOCUMENTS}
        assert {document: unknown for document, unknown in found.items() if unknown} == {}


@pytest.mark.parametrize("room", ["fleet", "office"])
def test_the_table_of_a_room_has_each_of_its_modules(room: str) -> None:
    folder = ROOT / "gateway" / room
    named = set(re.findall(r"``(\w+)``", (folder / "__init__.py").read_text(encoding="utf-8")))
    assert named == {file.stem for file in folder.glob("*.py")} - {"__init__"}
