"""The wheel: everything is in it, both commands work from it; and the locked versions are those asked for."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from gateway import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, since that leaves files behind, without asking any index."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("gateway", "firmware_tools"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / "source")
    words = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *words, str(folder / "source")],
        check=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
    )
    (file,) = folder.glob("*.whl")
    return file


@pytest.mark.slow
def test_every_file_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith(".md")}
        about = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(about).decode()
    tree = {
        str(file.relative_to(ROOT))
        for folder in ("gateway", "firmware_tools")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in (".md", ".po")  # for people
    }
    assert inside == tree
    assert wheel.name == f"sunmi_gateway-{__version__}-py3-none-any.whl"
    assert f"Version: {__version__}\n" in metadata
    assert f"Requires-Python: {PROJECT['requires-python']}\n" in metadata


@pytest.mark.slow
def test_both_commands_run_from_it(wheel: Path, tmp_path: Path) -> None:
    """Run them away from the checkout, with the wheel alone in front of the environment's libraries."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("-c", "import gateway; print(gateway.__file__)").startswith(str(tmp_path))
    assert f"version {__version__}" in run("-m", "gateway", "--version")
    assert "Firmware SD cards" in run("-m", "firmware_tools", "--help")
    # The schema and the simulators' certificates are read here.
    state = tmp_path / "gateway.toml"
    state.write_text(f'[storage]\ndirectory = "{tmp_path}/state"\n')
    run("-m", "gateway", "--config", str(state), "token", "create", "--scope", "pos", "--name", "till-1")
    assert "till-1" in run("-m", "gateway", "--config", str(state), "token", "list", "--json")
    certificates = "from gateway.simulator.certificates import camera_context as context"
    run("-c", f"{certificates}; context(changed=False, client_certificate=False)")


def test_the_locked_versions_are_those_that_the_project_asks_for() -> None:
    """Where this fails, `bash packaging/lock.sh` mends it."""
    lock = (ROOT / "packaging/locked-packages.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.M))
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        assert wanted.name in locked, f"{wanted.name} is not locked; run packaging/lock.sh"
        assert wanted.specifier.contains(locked[wanted.name]), f"{wanted} is not locked; run packaging/lock.sh"
