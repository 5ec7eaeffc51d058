"""Every task runs under the supervisor, or the function that creates it awaits it.

A function may call `create_task` or `ensure_future` only if it also awaits that very task. It awaits the task's name,
or `asyncio.gather`, `wait`, `wait_for` or `shield` of it or of the collection that it was put into. A nested function
counts as part of the outermost one. A task of an `asyncio.TaskGroup` is awaited by the group. A task that is kept in an
attribute, or not at all, belongs under the supervisor.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "gateway"
CREATE = {"create_task", "ensure_future"}
AWAIT = {"gather", "wait", "wait_for", "shield"}
SUPERVISOR = "runtime/supervisor.py"


def called_name(call: ast.Call) -> str:
    """Return the last part of a called name, or nothing if what is called has no name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def names(node: ast.AST) -> set[str]:
    """Return every plain name within a node."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def scopes(tree: ast.Module) -> list[tuple[str, list[ast.AST]]]:
    """Return the module and its outermost functions: the name, and every node that belongs to it."""
    found: list[tuple[str, list[ast.AST]]] = []

    def visit(node: ast.AST, prefix: str, own: list[ast.AST]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((f"{prefix}{child.name}", list(ast.walk(child))))
            else:
                own.append(child)
                visit(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix, own)

    own: list[ast.AST] = []
    visit(tree, "", own)
    return [*found, ("<module>", own)]


def task_groups(nodes: list[ast.AST]) -> set[str]:
    """Return the names of the task groups that a scope enters."""
    return {
        item.optional_vars.id
        for node in nodes
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and isinstance(item.context_expr, ast.Call)
        and called_name(item.context_expr) == "TaskGroup"
    }


def awaited_names(nodes: list[ast.AST]) -> set[str]:
    """Return the names that a scope awaits, themselves or through a function of asyncio."""
    found = set()
    for node in nodes:
        if not isinstance(node, ast.Await):
            continue
        if isinstance(node.value, ast.Name):
            found.add(node.value.id)
        elif isinstance(node.value, ast.Call) and called_name(node.value) in AWAIT:
            found |= {name for argument in node.value.args for name in names(argument)}
    return found


def holders(creation: ast.Call, nodes: list[ast.AST]) -> set[str]:
    """Return the names that hold a created task: variables, and collections that it is added to."""

    def holds(value: ast.AST, held: set[str]) -> bool:
        if isinstance(value, ast.Name):
            return value.id in held
        if isinstance(value, ast.ListComp | ast.SetComp):
            value = value.elt
        return value is creation

    held: set[str] = set()
    before = None
    while before != held:
        before = set(held)
        for node in nodes:
            if isinstance(node, ast.Assign) and holds(node.value, held):
                held |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and node.value is not None and holds(node.value, held):
                held |= names(node.target) if isinstance(node.target, ast.Name) else set()
            elif isinstance(node, ast.Call) and called_name(node) in {"add", "append"} and len(node.args) == 1:
                collection = node.func.value if isinstance(node.func, ast.Attribute) else None
                if isinstance(collection, ast.Name) and holds(node.args[0], held):
                    held.add(collection.id)
    return held


def unawaited(source: str) -> list[str]:
    """Return the scopes of a module that create a task without awaiting it."""
    found = []
    for name, nodes in scopes(ast.parse(source)):
        groups, awaited = task_groups(nodes), awaited_names(nodes)
        awaits = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
        for node in nodes:
            if not isinstance(node, ast.Call) or called_name(node) not in CREATE:
                continue
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            grouped = isinstance(owner, ast.Name) and owner.id in groups
            if not grouped and id(node) not in awaits and not holders(node, nodes) & awaited:
                found.append(name)
    return found


def test_a_task_is_supervised_or_awaited_by_the_function_that_creates_it() -> None:
    found = set()
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8")
        if path != SUPERVISOR and any(name in text for name in CREATE):
            found |= {f"{path}:{name}" for name in unawaited(text)}
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n    task = asyncio.create_task(g())\n    await task",
        "async def f():\n    await asyncio.create_task(g())",
        "async def f():\n    tasks = [asyncio.create_task(g(x)) for x in y]\n    await asyncio.wait(tasks, timeout=1)",
        "async def f():\n    tasks = set()\n    tasks.add(asyncio.create_task(g()))\n    await asyncio.gather(*tasks)",
        "async def f():\n    def h():\n        ts.append(asyncio.create_task(g()))\n    await asyncio.gather(*ts)",
        "async def f():\n    one = asyncio.create_task(g())\n    ts.append(one)\n    await asyncio.gather(*ts)",
        "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(g())",
    ],
)
def test_tasks_that_are_awaited_are_allowed(source: str) -> None:
    assert unawaited(source) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f():\n    asyncio.create_task(g())", "f"),
        ("class A:\n    def f(self):\n        self.task = asyncio.create_task(g())", "A.f"),
        ("class A:\n    class B:\n        def f(self):\n            asyncio.create_task(g())", "A.B.f"),
        ("task = asyncio.ensure_future(g())", "<module>"),
        ("async def f():\n    task = asyncio.create_task(g())\n    await event.wait()", "f"),
        ("async def f():\n    task = asyncio.create_task(g())\n    asyncio.gather(task)", "f"),
        ("async def f():\n    one = asyncio.create_task(g())\n    await other", "f"),
    ],
)
def test_tasks_that_nobody_awaits_are_found(source: str, name: str) -> None:
    assert unawaited(source) == [name]
