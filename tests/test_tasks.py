"""No task dies unheard: it runs under the supervisor, or the function that creates it awaits it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "gateway"
CREATE = {"create_task", "ensure_future"}
AWAIT = {"gather", "wait", "wait_for", "shield"}
SUPERVISOR = "runtime/supervisor.py"


def called_names(node: ast.AST) -> set[str]:
    """Return the names of everything that is called within a function."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return {one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in calls}


def functions(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    """Return the outermost functions of a module, with the name of their class before a dot."""
    found: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node.name, node))
        elif isinstance(node, ast.ClassDef):
            members = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [(f"{node.name}.{one.name}", one) for one in members]
    return found


def test_a_task_is_supervised_or_awaited_by_the_function_that_creates_it() -> None:
    unheard = set()
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        if path == SUPERVISOR:
            continue
        for name, node in functions(ast.parse(file.read_text(encoding="utf-8"))):
            called = called_names(node)
            if called & CREATE and not called & AWAIT:
                unheard.add(f"{path}:{name}")
    assert not unheard
