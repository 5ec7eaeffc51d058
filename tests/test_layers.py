"""Imports point downwards only: the layers, read from the code."""

import ast
import graphlib
from pathlib import Path

from tests.each import for_each

ROOT = Path(__file__).parent.parent
COMMAND_LANGUAGE = "firmware_tools.command_language"
"""The language of commands, shared by those of the card tools and of the gateway."""
LANGUAGE = "firmware_tools.language"
"""Texts in two languages: the one module of the card tools that the gateway shares."""
RENDERED_TEXT = "firmware_tools.rendered_text"
"""Texts that were rendered elsewhere: of the language, too."""
CARD_GUIDE = "firmware_tools.procedure"
"""What a firmware card needs and how it is used: the modules of the card tools that the console shows."""
CARD_GUIDE_MODULES = {CARD_GUIDE, "firmware_tools.card", "firmware_tools.errors", "firmware_tools.mac"}
LISTS = "firmware_tools.spreadsheet"
"""Lists as spreadsheets save them: the one reader, shared by cards, site plans and lists of products."""
LIST_MODULES = {
    LISTS,
    "firmware_tools.list_file",
    "firmware_tools.list_rows",
    "firmware_tools.size",
    "firmware_tools.text_decoding",
    "firmware_tools.workbook",
    "firmware_tools.workbook_cells",
    "firmware_tools.workbook_sheet",
}
VALIDATION_TEXTS = "gateway.validation_texts"
"""Why values are not valid: for settings and for calls."""
FOUNDATION = {"gateway", "gateway.check_digit", "gateway.errors", "gateway.protocol", "gateway.runtime", LANGUAGE}
"""What every part may import: the error tree, the pure protocol, texts, and what all parts stand on."""
PARTS = FOUNDATION | {VALIDATION_TEXTS, "gateway.label_settings", "gateway.settings", "gateway.storage"}

ALLOWED = {
    "gateway": {LANGUAGE},
    "gateway.check_digit": set(),
    "gateway.errors": {LANGUAGE},
    "gateway.protocol": {"gateway", "gateway.errors", LANGUAGE},
    "gateway.runtime": {"gateway", "gateway.errors", "gateway.protocol", LANGUAGE},
    VALIDATION_TEXTS: {LANGUAGE},
    "gateway.label_settings": set(),
    "gateway.list_settings": {"gateway.errors", LANGUAGE},
    "gateway.fleet_settings": FOUNDATION,
    "gateway.product_settings": {LANGUAGE},
    "gateway.secret_file": FOUNDATION,
    "gateway.settings": FOUNDATION
    | {VALIDATION_TEXTS, "gateway.label_settings", "gateway.product_settings", "gateway.fleet_settings"}
    | {"gateway.list_settings", "gateway.secret_file"},
    "gateway.storage": FOUNDATION,
    "gateway.membership": PARTS | {"gateway.fleet_settings"},
    "gateway.desired_settings": PARTS | {"gateway.fleet_settings", "gateway.membership"},
    "gateway.setting_texts": {LANGUAGE},
    "gateway.changed_settings": PARTS | {"gateway.desired_settings", "gateway.membership", "gateway.setting_texts"},
    "gateway.boot_settings": PARTS | {"gateway.fleet"},
    "gateway.simulator": FOUNDATION,
    "gateway.discovery": PARTS,
    "gateway.cameras": PARTS | {"gateway.discovery"},
    "gateway.cloud": PARTS,
    "gateway.outbox": PARTS | {"gateway.cloud"},
    "gateway.events": PARTS | {"gateway.discovery", "gateway.cameras", "gateway.cloud", "gateway.outbox"},
    "gateway.shop": PARTS
    | {"gateway.discovery", "gateway.cameras", "gateway.cloud", "gateway.outbox", "gateway.events", "gateway.audit"}
    | {LISTS, CARD_GUIDE},
    "gateway.labels": PARTS
    | {"gateway.cloud", "gateway.label_settings", "gateway.outbox", "gateway.products", LISTS, CARD_GUIDE},
    "gateway.products": PARTS | {"gateway.cloud", "gateway.outbox", LISTS, CARD_GUIDE},
    "gateway.fleet": PARTS
    | {VALIDATION_TEXTS, "gateway.fleet_settings", "gateway.membership", "gateway.discovery", "gateway.cameras"}
    | {"gateway.cloud", "gateway.outbox", "gateway.events", "gateway.audit", "gateway.labels", "gateway.products"}
    | {"gateway.changed_settings", "gateway.desired_settings"},
    "gateway.office": PARTS
    | {
        "gateway.authority",
        "gateway.desired_settings",
        "gateway.fleet",
        "gateway.fleet_settings",
        "gateway.list_settings",
    },
    "gateway.audit": PARTS,
    "gateway.access": PARTS,
    "gateway.authority": FOUNDATION | {"gateway.settings", "gateway.discovery"},
    "gateway.backup": PARTS | {"gateway.changed_settings", "gateway.labels", "gateway.outbox"},
    "gateway.support": PARTS | {"gateway.changed_settings", "gateway.labels", "gateway.outbox"},
    "gateway.app": PARTS
    | {
        "gateway.audit",
        "gateway.authority",
        "gateway.discovery",
        "gateway.cameras",
        "gateway.cloud",
        "gateway.outbox",
        "gateway.events",
        "gateway.shop",
        "gateway.products",
        "gateway.labels",
        "gateway.fleet",
        "gateway.access",
    },
}
ALLOWED["gateway.doctor"] = ALLOWED["gateway.app"] | {
    "gateway.app",
    "gateway.changed_settings",
    "gateway.desired_settings",
    "gateway.membership",
}
ALLOWED["gateway.api"] = ALLOWED["gateway.doctor"] | {
    "gateway.doctor",
    "gateway.product_settings",
    "gateway.support",
}
ALLOWED["gateway.console"] = ALLOWED["gateway.api"] | {"gateway.api", "gateway.backup", "gateway.support", CARD_GUIDE}
ALLOWED["gateway.office_site"] = ALLOWED["gateway.console"] | {
    "gateway.console",
    "gateway.fleet_settings",
    "gateway.list_settings",
    "gateway.office",
    "gateway.setting_texts",
    "gateway.updates",
}
ALLOWED["gateway.updates"] = ALLOWED["gateway.api"] | {"gateway.api", "gateway.boot_settings"}
ALLOWED["gateway.cli"] = (ALLOWED["gateway.console"] - {CARD_GUIDE}) | {
    "gateway.console",
    "gateway.updates",
    "gateway.boot_settings",
    "gateway.fleet_settings",
    "gateway.office",
    "gateway.office_site",
    "gateway.simulator",
    COMMAND_LANGUAGE,
}
ALLOWED["gateway.__main__"] = {"gateway.cli"}
ALLOWED["firmware_tools"] = {LANGUAGE, COMMAND_LANGUAGE, CARD_GUIDE, LISTS}
ALLOWED[LISTS] = {LANGUAGE, CARD_GUIDE}
ALLOWED[CARD_GUIDE] = {LANGUAGE}
ALLOWED[COMMAND_LANGUAGE] = {LANGUAGE}
ALLOWED[LANGUAGE] = set()


def layer(module: str) -> str:
    if module in (LANGUAGE, COMMAND_LANGUAGE):
        return module
    if module == RENDERED_TEXT:
        return LANGUAGE
    if module in CARD_GUIDE_MODULES:
        return CARD_GUIDE
    if module in LIST_MODULES:
        return LISTS
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


def own_layer(file: Path) -> str:
    return layer(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


def test_the_layers_are_those_that_there_are() -> None:
    assert {*ALLOWED}.union(*ALLOWED.values()) == {own_layer(file) for file in modules()}


def test_no_layer_stands_above_itself() -> None:
    graphlib.TopologicalSorter(ALLOWED).prepare()


@for_each(modules())
def test_imports_point_downwards(file: Path) -> None:
    own = own_layer(file)
    foreign = {layer(name) for name in imports(file)} - {own}
    known = {name if name in ALLOWED else "gateway" for name in foreign}
    assert known <= ALLOWED[own], f"{file} imports {sorted(known - ALLOWED[own])}"


@for_each(sorted(ROOT.glob("gateway/protocol/**/*.py")))
def test_the_protocol_is_pure(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not named & {"asyncio", "socket", "ssl", "time", "random", "secrets", "os", "pathlib", "sqlite3", "aiohttp"}


def holds_tables(file: Path) -> bool:
    named = file.stem == "table" or file.stem.endswith("_table")
    return named or "gateway/storage/" in file.as_posix()


def test_sql_stands_in_the_storage_and_in_files_named_for_a_table() -> None:
    for file in modules():
        if not holds_tables(file):
            text = file.read_text(encoding="utf-8")
            assert not any(word in text for word in ("SELECT ", "INSERT INTO", "DELETE FROM")), f"{file} holds SQL"
