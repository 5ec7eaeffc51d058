"""The tree of exceptions that the module's docstring draws is the one of the code."""

import inspect
import re

from gateway import errors
from gateway.errors import GatewayError, Problem, list_problem_types

LINE = re.compile(
    r"^ {4}(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: +(?P<status>\d{3}) (?P<code>\w+)$| {2,}|$)", re.MULTILINE
)


def drawn() -> dict[str, tuple[str, str, str]]:
    """Return parent, status and code of each exception that the docstring names."""
    tree: dict[str, tuple[str, str, str]] = {}
    parents: list[str] = []
    for line in LINE.finditer(errors.__doc__ or ""):
        depth = len(line["indent"]) // 4
        parents[depth:] = [line["name"]]
        tree[line["name"]] = (parents[depth - 1] if depth else "Exception", line["status"] or "", line["code"] or "")
    return tree


def test_the_docstring_draws_the_tree() -> None:
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, GatewayError)]
    assert drawn() == {
        one.__name__: (one.__mro__[1].__name__, str(getattr(one, "status", "")), getattr(one, "code", ""))
        for one in classes
    }


def test_each_problem_has_a_title_and_a_code_of_its_own() -> None:
    problems = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Problem)]
    codes = [problem.code for problem in problems if "code" in vars(problem)]  # others share their parent's
    assert len(codes) == len(set(codes))
    assert all(problem.title for problem in problems if problem is not Problem)


def test_each_code_says_what_it_means_and_what_to_do() -> None:
    types = list_problem_types()
    assert types == tuple(sorted(set(types), key=lambda one: (one.status, one.code)))
    assert {one.__module__ for one in types} == {errors.__name__}
    for one in types:
        assert inspect.getdoc(one), f"{one.code} does not say what it means"
        assert one.advice.endswith("."), f"{one.code} does not say what to do"
        assert {"title", "status", "code", "advice"} <= {*vars(one), *vars(one.__mro__[1])}
