"""The packages as they are built: what is inside, for which machine, and what lintian says."""

import hashlib
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MACHINES = {"amd64": 62, "arm64": 183}
"""ELF's e_machine: EM_X86_64, EM_AARCH64."""


@pytest.fixture(params=["amd64", "arm64"])
def package(request: pytest.FixtureRequest, packages: Packages) -> tuple[str, Path]:
    file: Path = getattr(packages, request.param)
    return request.param, file


def test_everything_inside_is_for_its_machine_and_python(package: tuple[str, Path], tmp_path: Path) -> None:
    architecture, file = package
    subprocess.run(["dpkg-deb", "-x", str(file), str(tmp_path)], check=True, timeout=60)
    inside = tmp_path / "usr/lib/sunmi-gateway"
    libraries = sorted(inside.rglob("*.so"))
    for library in libraries:
        head = library.read_bytes()[:20]
        assert head[:4] == b"\x7fELF"
        assert struct.unpack("<H", head[18:20])[0] == MACHINES[architecture], library
        folder = library.relative_to(inside).parts[0]
        tag = {"python3.11": ".cpython-311-", "python3.13": ".cpython-313-", "shared": ".abi3."}[folder]
        # A library may have one wheel for the newer Pythons, and others for those before.
        assert tag in library.name or ".abi3." in library.name, library
    sides = [sorted(path.name for path in (inside / f"python{one}").iterdir()) for one in ("3.11", "3.13")]
    assert [name.replace("-311-", "-313-") for name in sides[0]] == sides[1]
    assert len(libraries) > 20
    assert not list(inside.rglob("__pycache__"))
    assert not list(inside.glob("*/tests"))
    print(f"{architecture}: {len(libraries)} compiled libraries, {file.stat().st_size / 1e6:.1f} MB")  # noqa: T201


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_no_library_is_missing(package: tuple[str, Path], version: str, tmp_path: Path) -> None:
    """Ask a resolver for that machine and Python whether each library's own requirements are met."""
    architecture, file = package
    subprocess.run(["dpkg-deb", "-x", str(file), str(tmp_path)], check=True, timeout=60)
    inside = tmp_path / "usr/lib/sunmi-gateway"
    names = [
        about.parent.name.removesuffix(".dist-info").replace("_", "-").rpartition("-")
        for folder in (f"python{version}", "shared")
        for about in (inside / folder).glob("*.dist-info/METADATA")
    ]
    given = tmp_path / "given.txt"
    given.write_text("".join(f"{name}=={number}\n" for name, _, number in names if name != "sunmi-gateway"))
    platform = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}[architecture]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
            *("--only-binary=:all:", "--python-platform", platform, "--python-version", version),
            *(str(ROOT / "pyproject.toml"), str(given)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(given.read_text().split())


def test_lintian_has_nothing_to_say(package: tuple[str, Path]) -> None:
    done = subprocess.run(
        ["lintian", "--profile", "debian", "--allow-root", "--fail-on", "error,warning", str(package[1])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_same_source_gives_the_same_package(packages: Packages) -> None:
    before = hashlib.sha256(packages.amd64.read_bytes()).hexdigest()
    command = ["bash", str(ROOT / "packaging/build-deb.sh"), "amd64"]
    subprocess.run(command, capture_output=True, check=True, timeout=600)
    assert hashlib.sha256(packages.amd64.read_bytes()).hexdigest() == before
