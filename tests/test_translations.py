"""Every text for people has a Chinese translation, and the catalogues are those of the texts."""

import ast
import string
import subprocess
import sys
from pathlib import Path

from tests.each import for_each
from tests.test_layers import modules

ROOT = Path(__file__).parent.parent


def test_every_text_is_translated_and_the_catalogues_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "packaging/translations.py"), "--check"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    assert result.stdout == ""
    assert result.returncode == 0


@for_each(modules())
def test_messages_are_literals_with_a_value_for_each_field(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if "message(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "message"):
            continue
        where = f"{file}:{node.lineno}"
        assert len(node.args) == 1, where
        template = node.args[0]
        assert isinstance(template, ast.Constant), f"{where}: the template is not a literal"
        assert isinstance(template.value, str), where
        fields = {name for _, name, _, _ in string.Formatter().parse(template.value) if name is not None}
        assert fields == {keyword.arg for keyword in node.keywords}, where
        assert all(name.isidentifier() for name in fields), where
