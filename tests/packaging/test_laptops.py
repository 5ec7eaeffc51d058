"""Installing without a compiler: for Windows, macOS and a Pi as a resolver there sees it; here, in new environments."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VERSIONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "x86_64-pc-windows-msvc": r"\.(cp3\d+-win_amd64\.)?pyd$",
    "aarch64-apple-darwin": r"\.(cpython-3\d+-darwin|abi3)\.so$",
    "aarch64-manylinux_2_28": r"\.(cpython-3\d+-aarch64-linux-gnu|abi3)\.so$",
    "x86_64-manylinux_2_28": r"\.(cpython-3\d+-x86_64-linux-gnu|abi3)\.so$",
}
"""Where people install it, and what compiled libraries are called there."""


def install(platform: str, version: str, target: Path, *what: str) -> subprocess.CompletedProcess[str]:
    """Install wheels alone, with the conditions of requirements read as on the platform, unlike pip does it."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--no-build"),
            *("--python-platform", platform, "--python-version", version, "--target", str(target), *what),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_library_has_a_wheel(platform: str, version: str, tmp_path: Path) -> None:
    done = install(platform, version, tmp_path, "--requirements", str(ROOT / "pyproject.toml"))
    assert done.returncode == 0, done.stderr
    compiled = [file for file in tmp_path.rglob("*") if file.suffix in (".so", ".pyd", ".dylib")]
    modules = [file for file in compiled if ".dylibs" not in file.parts]  # beside libraries that a wheel brings along
    assert [file.name for file in modules if not re.search(PLATFORMS[platform], file.name)] == []
    assert len(modules) > 10
    foreign = {
        "".join(re.findall(r"\d", tag)) for tag in re.findall(r"cp(?:ython-)?(3\d+)", " ".join(map(str, compiled)))
    }
    assert foreign == {version.replace(".", "")}


def test_a_library_without_a_wheel_would_be_noticed(tmp_path: Path) -> None:
    """The original netifaces has to be compiled."""
    done = install("x86_64-pc-windows-msvc", "3.12", tmp_path, "netifaces==0.11.0")
    assert done.returncode != 0
    assert "netifaces" in done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_in_a_new_environment(version: str, tmp_path: Path) -> None:
    """Do what a person does, with each Python that is here and no compiler."""
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", "import ensurepip, venv"], check=False).returncode:
        pytest.skip(f"no Python {version} with venv here")
    source = tmp_path / "source"
    for name in ("gateway", "firmware_tools"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    script = f"""
        {python} -m venv {tmp_path}/venv && cd / &&
        CC=/bin/false CXX=/bin/false {tmp_path}/venv/bin/pip install --quiet --only-binary=:all: {source} &&
        {tmp_path}/venv/bin/sunmi-gateway --version && {tmp_path}/venv/bin/sunmi-sdcard --help &&
        timeout 60 {tmp_path}/venv/bin/sunmi-gateway demo --once
    """
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
