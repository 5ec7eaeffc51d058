"""The script that runs all benchmarks, in a tree with others in their place."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("packaging", "tests/benchmarks", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "packaging/benchmarks.sh", tmp_path / "packaging")
    (tmp_path / "packaging/environment.sh").write_text("need_packages() { :; }\nmake_environment() { :; }\n")
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    return tmp_path


def run(tree: Path, **benchmarks: str) -> subprocess.CompletedProcess[str]:
    for name, code in benchmarks.items():
        (tree / f"tests/benchmarks/{name}.py").write_text(f'if __name__ == "__main__":\n    {code}\n')
    command = ["bash", str(tree / "packaging/benchmarks.sh")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_of_them_run_and_the_end_lists_what_missed_or_failed(tree: Path) -> None:
    done = run(tree, a='raise SystemExit("missed: speed")', b='raise RuntimeError("x")', c='print("fast")')
    assert done.returncode == 1
    assert done.stdout.splitlines()[-4:] == [
        "fast", "== missed a figure, or failed:", "tests/benchmarks/a.py", "tests/benchmarks/b.py"
    ]  # fmt: skip


def test_nothing_is_listed_where_all_is_met(tree: Path) -> None:
    done = run(tree, a='print("fast")')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "== tests/benchmarks/a.py\nfast\n"
