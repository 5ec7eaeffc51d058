"""Packages to test: built from this checkout, and a newer one made of it; systems in which they are installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.machine import RELEASES, Machine, lay_over, make_system

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("FULL_PROOFS") == "1"

# These need root, a mirror of Debian and a package index, and minutes.
LONG = ("build", "install", "boot", "console", "appliance", "laptops", "updates", "chain")
collect_ignore = [] if FULL else [f"test_{what}.py" for what in LONG]

MIGRATION = "900_proof"
NEWER = "9.9.9"
BROKEN = "9.9.8"
REPOSITORY_URL = "http://127.0.0.1:8999"
"""Where a machine serves the chain's repository to itself."""


@dataclass(frozen=True)
class Packages:
    """Packages of this checkout, and one of a version after it."""

    amd64: Path
    arm64: Path
    newer: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Build both architectures by the one command, and a newer amd64 from the first."""
    done = subprocess.run(
        ["bash", str(ROOT / "packaging/build-deb.sh")],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    built = {line.rpartition("_")[2].removesuffix(".deb"): ROOT / line for line in done.stdout.splitlines()}
    folder = tmp_path_factory.mktemp("newer")
    return Packages(built["amd64"], built["arm64"], _newer(built["amd64"], folder))


def _newer(package: Path, folder: Path) -> Path:
    """Repack a package as the next version: other code of the same size and time, settings file and schema."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True, timeout=600)
    version = re.search(r"^Version: (.*)$", (tree / "DEBIAN/control").read_text(), re.M)
    assert version is not None
    code = tree / "usr/lib/sunmi-gateway/shared/gateway"
    for file in (tree / "DEBIAN/control", code / "__init__.py"):
        when = file.stat().st_mtime
        text = file.read_text()
        assert version[1] in text
        file.write_text(text.replace(version[1], NEWER))
        os.utime(file, (when, when))
    schema = code / f"storage/schema/{MIGRATION}.sql"
    schema.write_text("CREATE TABLE proof (number INTEGER) STRICT;\n")
    with (tree / "etc/sunmi-gateway/gateway.toml").open("a") as settings:
        settings.write("# A later version says more.\n")
    result = folder / "newer.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(tree), str(result)], check=True, timeout=600
    )
    shutil.rmtree(tree)
    return result


@pytest.fixture(scope="session")
def repository(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish this version, a newer one that works, and one that cannot start its work after it has migrated."""
    work = tmp_path_factory.mktemp("office")
    tree = work / "tree"
    subprocess.run(["dpkg-deb", "-R", str(packages.newer), str(tree)], check=True, timeout=600)
    code = tree / "usr/lib/sunmi-gateway/shared/gateway"
    for file in (tree / "DEBIAN/control", code / "__init__.py"):
        file.write_text(file.read_text().replace(NEWER, BROKEN))
    app = (code / "app.py").read_text()
    assert "self.directory.warn_if_volatile()" in app
    (code / "app.py").write_text(app.replace("self.directory.warn_if_volatile()", 'raise RuntimeError("it is broken")'))
    broken = work / "broken.deb"
    pack = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(tree), str(broken)]
    subprocess.run(pack, check=True, timeout=600)
    shutil.rmtree(tree)
    office = work / "office"
    office.mkdir()
    script = ["bash", str(ROOT / "packaging/repository.sh"), str(office), REPOSITORY_URL]
    for _ in range(2):  # the second time changes nothing
        listed = subprocess.run(
            [*script, str(packages.amd64), str(packages.newer), str(broken)],
            capture_output=True, text=True, check=True, timeout=600,
        ).stdout  # fmt: skip
        assert len(listed.splitlines()) == 3
    assert {file.name for file in office.iterdir()} == {"repository", "repository-key"}
    assert (office / "repository-key").stat().st_mode & 0o077 == 0
    return office / "repository/public"


@pytest.fixture(scope="session", params=RELEASES)
def installed(request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a system of each Debian release and set the shop; return the system's folder."""
    tree = tmp_path_factory.mktemp("system") / request.param
    make_system(request.param, tree)
    return _install(tree, packages)


@pytest.fixture(scope="session", params=RELEASES)
def installed_with_ffmpeg(
    request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Install the package into a system that has what it recommends; return the system's folder."""
    tree = tmp_path_factory.mktemp("system") / request.param
    make_system(request.param, tree, "ffmpeg")
    return _install(tree, packages)


def list_leftovers(machine: Machine) -> list[str]:
    """Return the files of the package in a machine, on its disk and of its run time, but for our copies of packages."""
    return machine.run("find / /run -xdev -path /root -prune -o -name '*sunmi*' -print").split()


def _install(tree: Path, packages: Packages) -> Path:
    machine = Machine(tree)
    machine.give(packages.amd64, packages.newer)
    machine.run(f"dpkg -i /root/{packages.amd64.name}")
    settings = machine.read("/etc/sunmi-gateway/gateway.toml")
    assert '# shop_id = ""' in settings
    machine.write("/etc/sunmi-gateway/gateway.toml", settings.replace('# shop_id = ""', 'shop_id = "17"'))
    return tree


@pytest.fixture
def machine(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    """Give a system with the package, not yet booted. A module that installs it otherwise has its own `installed`."""
    with lay_over(installed, tmp_path / "layer") as machine:
        yield machine


@pytest.fixture
def machine_with_ffmpeg(installed_with_ffmpeg: Path, tmp_path: Path) -> Iterator[Machine]:
    """Give a system with the package and ffmpeg, not yet booted."""
    with lay_over(installed_with_ffmpeg, tmp_path / "layer") as machine:
        yield machine
