"""Lays out the README and the guides as the Debian package has them: `documents.py FOLDER`.

In the repository each guide is the README.md of the folder it is about. FOLDER gets all of them side by side, each with
a name of its own. A link to a document that is not in the package becomes plain text.
"""

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = {
    "README.md": "README.md",
    "gateway/cli/README.md": "installer.md",
    "gateway/api/README.md": "till.md",
    "packaging/README.md": "appliance.md",
    "firmware_tools/README.md": "cards.md",
    "gateway/simulator/README.md": "simulator.md",
    "gateway/labels/README.md": "labels.md",
    "gateway/office/README.md": "office.md",
    "gateway/office_site/README.md": "office-pages.md",
    "gateway/fleet/README.md": "link.md",
    ".github/README.zh.md": "README.zh.md",
    "gateway/cli/README.zh.md": "installer.zh.md",
}
"""Each document of the package: its path in the repository, and its name in the package."""

_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def pack_links(text: str, document: str) -> str:
    """Return the text of a document of the repository with its links as they are in the package."""

    def replace(link: re.Match[str]) -> str:
        label, path, anchor = link[1], link[2], link[3] or ""
        if not path or "://" in path:
            return link[0]
        target = (ROOT / document).parent.joinpath(path).resolve().relative_to(ROOT).as_posix()
        return f"[{label}]({DOCUMENTS[target]}{anchor})" if target in DOCUMENTS else label

    return _LINK.sub(replace, text)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for path, name in DOCUMENTS.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        (folder / name).write_text(pack_links(text, path), encoding="utf-8")
