"""Documents are true: their links resolve, and the files that they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob(".github/*.md"),
        *ROOT.glob("gateway/**/*.md"),
        *ROOT.glob("firmware_tools/**/*.md"),
    ]
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"`([a-z_]+(?:/[a-z_]+)*/?[a-z_]+\.(?:py|sh|toml))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    "document", [ROOT / "gateway/README.md", ROOT / ".github/CONTRIBUTING.md"], ids=lambda one: one.name
)
def test_files_that_are_named_exist(document: Path) -> None:
    named = NAMED.findall(document.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(f"gateway/**/{name}"))] == []
