"""What draws labels is in the package, in the bundles of laptops, and in what Debian brings beside it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from gateway.labels.fonts import SYSTEM_FONTS

ROOT = Path(__file__).parents[2]


def find_imports(folder: Path) -> set[str]:
    """Return the names of all modules that the files of a folder import."""
    names: set[str] = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    return {name.partition(".")[0] for name in names}


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_library_that_labels_need_is_installed_and_locked() -> None:
    foreign = find_imports(ROOT / "gateway/labels") - sys.stdlib_module_names - {"gateway", "firmware_tools"}
    assert {"PIL", "barcode", "segno"} <= foreign
    providers = packages_distributions()
    needed = {normalise(providers[name][0]) for name in foreign}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {Requirement(one).name for one in project["dependencies"] if "sys_platform" not in one}
    brought = {one for name in asked for one in requires(name) or () if "extra ==" not in one}
    asked = {normalise(name) for name in asked | {Requirement(one).name for one in brought}}
    assert needed - asked == set(), "what is optional or only for tests is missing on a laptop"
    lines = (ROOT / "packaging/locked-packages.txt").read_text(encoding="utf-8")
    locked = {normalise(name) for name in re.findall(r"^([\w.-]+)==", lines, re.MULTILINE)}
    assert needed - locked == set()


def test_debian_brings_a_font_with_chinese_signs_that_is_found() -> None:
    control = (ROOT / "packaging/debian/control").read_text(encoding="utf-8")
    [recommends] = re.findall(r"^Recommends: (.+)$", control, re.MULTILINE)
    assert "fonts-wqy-microhei" in recommends.split(", "), "apt installs it unless somebody says otherwise"
    assert SYSTEM_FONTS[0].path.name == "wqy-microhei.ttc"
