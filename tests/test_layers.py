"""Imports point downwards only: the layers, read from the code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOUNDATION = {"gateway", "gateway.errors", "gateway.protocol", "gateway.runtime.logs"}
"""What everything but the protocol may import: the error tree, the pure protocol, and logging."""

ALLOWED = {
    "gateway.errors": set(),
    "gateway.protocol": {"gateway", "gateway.errors"},
    "gateway.runtime.logs": {"gateway", "gateway.protocol"},
    "gateway.runtime": {"gateway.errors"},
    "gateway.runtime.clock": FOUNDATION,
    "gateway.settings": FOUNDATION,
    "gateway.runtime.systemd": FOUNDATION,
    "gateway.runtime.metrics": FOUNDATION,
    "gateway.storage": FOUNDATION,
    "gateway.simulator": FOUNDATION,
    "gateway.cameras": FOUNDATION
    | {"gateway.storage", "gateway.settings", "gateway.runtime.clock", "gateway.runtime.metrics", "gateway.redact"},
    "gateway.cloud": FOUNDATION
    | {"gateway.storage", "gateway.settings", "gateway.runtime.clock", "gateway.runtime.metrics", "gateway.redact"},
    "gateway.events": FOUNDATION
    | {"gateway.storage", "gateway.settings", "gateway.runtime.clock", "gateway.runtime.metrics", "gateway.cameras", "gateway.cloud"},
    "gateway.authority": FOUNDATION | {"gateway.settings", "gateway.cameras"},
    "gateway.app": FOUNDATION
    | {
        "gateway.authority",
        "gateway.storage",
        "gateway.settings",
        "gateway.runtime.clock",
        "gateway.runtime.metrics",
        "gateway.cameras",
        "gateway.cloud",
        "gateway.events",
    },
    "gateway.doctor": FOUNDATION
    | {"gateway.storage", "gateway.settings", "gateway.runtime.clock", "gateway.cameras", "gateway.cloud", "gateway.app"},
    "gateway.api": FOUNDATION
    | {
        "gateway.authority",
        "gateway.storage",
        "gateway.settings",
        "gateway.runtime.clock",
        "gateway.runtime.metrics",
        "gateway.cameras",
        "gateway.cloud",
        "gateway.events",
    }
    | {"gateway.app", "gateway.doctor"},
    "gateway.backup": FOUNDATION | {"gateway.storage", "gateway.settings"},
    "gateway.support": FOUNDATION | {"gateway.storage", "gateway.settings"},
    "gateway.cli": FOUNDATION
    | {
        *("gateway.storage", "gateway.settings", "gateway.runtime.clock", "gateway.cameras", "gateway.cloud", "gateway.backup"),
        *("gateway.app", "gateway.doctor", "gateway.support", "gateway.api", "gateway.simulator"),
        "gateway.runtime.systemd",
    },
    "gateway.__main__": {"gateway.cli"},
    "firmware_tools": set(),
}


def layer(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("gateway.") else module.split(".")[0]


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: imports are absolute"
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "gateway" else {node.module}
            )
    return {name for name in found if name.split(".")[0] in ("gateway", "firmware_tools")}


def modules() -> list[Path]:
    return sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("firmware_tools/**/*.py")])


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_downwards(file: Path) -> None:
    own = layer(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    if own == "gateway":
        assert imports(file) == set()
        return
    foreign = {layer(name) for name in imports(file)} - {own}
    known = {name if name in ALLOWED else "gateway" for name in foreign}
    assert known <= ALLOWED[own], f"{file} imports {sorted(known - ALLOWED[own])}"


@pytest.mark.parametrize("file", sorted(ROOT.glob("gateway/protocol/**/*.py")), ids=lambda file: file.name)
def test_the_protocol_is_pure(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not named & {"asyncio", "socket", "ssl", "time", "random", "secrets", "os", "pathlib", "sqlite3", "aiohttp"}


def test_sql_stays_in_the_store() -> None:
    for file in modules():
        if "gateway/store/" not in file.as_posix():
            text = file.read_text(encoding="utf-8")
            assert not any(word in text for word in ("SELECT ", "INSERT INTO", "DELETE FROM")), f"{file} holds SQL"
