"""apt of this machine and a repository that is broken or hostile: bounded in time and size, and it says what it is."""

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gateway.updates.installer import Installer
from gateway.updates.machine import Limits, Machine, Places
from gateway.updates.packages import ChainPackages
from tests.updates.hostile_repository import HostileRepository
from tests.updates.killed import NEW, OLD, ask, find_faults, make_machine, read_status

ROOT: Final = Path(__file__).parents[2]
FETCHING: Final = ("apt-get", "apt-cache", "dpkg-deb")
"""The programs that are the real ones here; the others are those of a machine of folders."""
LIMITS: Final = Limits(command_s=60, fetch_s=60, silence_s=1, start_s=20, proof_s=0.2, poll_s=0.01)
MOST_BYTES: Final = 300_000_000
"""What may be on the disk after all, and what a server may have sent."""
NEEDED: Final = ("apt-get", "aptly", "gpg", "gpgconf", "dpkg-deb", "prlimit")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(shutil.which(name) for name in NEEDED) or not hasattr(os, "geteuid") or os.geteuid() != 0,
        reason="needs apt, aptly, gnupg and root",
    ),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def make_package(folder: Path, version: str, name: str = "sunmi-gateway", *, size: int = 20_000) -> Path:
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "opt").mkdir()
    (tree / "opt/content").write_bytes(os.urandom(size))
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody <nobody@example.com>\n"
        "Description: a package\n"
    )
    package = folder / f"{name}_{version}_amd64.deb"
    words = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", str(tree), str(package)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return package


def publish(office: Path, *packages: Path) -> None:
    words = ["bash", str(ROOT / "packaging/repository.sh"), str(office), "http://127.0.0.1:1", *map(str, packages)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


class Chain:
    """A chain's repository with two versions, its key, and what it looked like before the newer one."""

    def __init__(self, folder: Path) -> None:
        self.office = folder / "office"
        self.public = self.office / "repository/public"
        self.office.mkdir()
        publish(self.office, make_package(folder, OLD))
        self.older = folder / "older"
        shutil.copytree(self.public, self.older)
        publish(self.office, make_package(folder, NEW))

    def sign(self, served: Path, home: Path | None = None) -> None:
        """Sign the index that is served."""
        link = self.office.with_name("k")
        link.unlink(missing_ok=True)
        link.symlink_to(home or self.office / "repository-key")
        release = served / "dists/stable/Release"
        gpg = ["gpg", "--homedir", str(link), "--batch", "--quiet", "--passphrase", "", "--yes"]
        if home is not None:
            subprocess.run([*gpg, "--quick-gen-key", "another", "ed25519", "sign", "never"], check=True)
        signed = release.with_name("InRelease")
        subprocess.run([*gpg, "--clearsign", "-o", str(signed), str(release)], check=True)
        subprocess.run(["gpgconf", "--homedir", str(link), "--kill", "gpg-agent"], check=True)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("chain"))


def serve(folder: Path) -> HostileRepository:
    server = HostileRepository(folder, 0)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


@pytest.fixture
def repository(chain: Chain, tmp_path: Path) -> Iterator[HostileRepository]:
    """Serve a copy of the chain's repository."""
    shutil.copytree(chain.public, tmp_path / "served")
    server = serve(tmp_path / "served")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def places(repository: HostileRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a machine of folders that fetches with the real programs."""
    lab = tmp_path / "machine"
    monkeypatch.setenv("PATH", f"{lab / 'bin'}:{os.environ['PATH']}")
    places = make_machine(lab, "works")
    for name in FETCHING:
        (lab / "bin" / name).unlink()
    text = (repository.folder / "sunmi-gateway.sources").read_text()
    places.source.write_text(text.replace("http://127.0.0.1:1\n", f"{repository.address}\n"))
    return places


def read_calls(places: Places) -> str:
    return (places.own.parent / "calls").read_text()


def count_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def run(places: Places, limits: Limits = LIMITS) -> tuple[str, str]:
    """Run the installer; return outcome and reason."""
    Installer(places, limits).run()
    status = read_status(places)
    return status["outcome"], status["reason"]


def fetch(places: Places, version: str = NEW) -> Path:
    packages = ChainPackages(Machine(places, LIMITS))
    packages.update_index()
    return packages.download(version)


def assert_untouched(places: Places) -> None:
    """See that the service was not stopped, and that nothing is left but small files."""
    assert "systemctl stop" not in read_calls(places)
    assert find_faults(places) == []
    assert count_bytes(places.own) < 100_000
    assert [file for file in (places.own / "packages").iterdir() if file.suffix != ".deb"] == []


def test_a_repository_as_it_should_be(places: Places) -> None:
    packages = {version: fetch(places, version) for version in (OLD, NEW)}
    assert [file.name for file in packages.values()] == [f"sunmi-gateway_{one}_amd64.deb" for one in packages]


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("silent", "InRelease"),
        ("slow", "took more than 2 s"),
        pytest.param("endless headers", "InRelease"),
        ("endless index", "more than any of its files may have"),
        ("large index", "does not have a Release file"),
        pytest.param("endless package", "apt-get failed: "),
        ("large package", "unexpected size"),
        ("login page", "does the network require authentication?"),
        ("broken", "500  Something"),
    ],
)
def test_a_server_that_answers_otherwise(places: Places, repository: HostileRepository, mood: str, told: str) -> None:
    repository.mood = mood
    outcome, reason = run(places, replace(LIMITS, command_s=2) if mood == "slow" else LIMITS)
    assert outcome == "unreachable"
    assert told in reason
    assert len(reason) < 1000
    assert_untouched(places)
    assert repository.sent < MOST_BYTES
    assert len(repository.requests) <= 8


def test_what_was_not_fetched_to_its_end_is_never_installed(
    places: Places, repository: HostileRepository, chain: Chain, tmp_path: Path
) -> None:
    """It could be a whole package of somebody else that was never compared with the index."""
    evil = make_package(tmp_path, NEW, size=1000)
    fetch(places, OLD)
    repository.mood = f"another package at {evil}"
    assert run(places, replace(LIMITS, fetch_s=1, silence_s=30))[0] == "unreachable"
    assert [NEW for file in places.own.rglob("*.deb") if file.read_bytes() == evil.read_bytes()] == []
    repository.mood = ""
    ask(places.own.parent)
    outcome, reason = run(places)
    [offered] = chain.public.glob(f"pool/**/*_{NEW}_*.deb")
    [fetched] = (places.own / "packages").glob(f"*_{NEW}_*.deb")
    assert fetched.read_bytes() == offered.read_bytes(), (outcome, reason)


def test_it_does_not_lead_elsewhere(places: Places, repository: HostileRepository) -> None:
    other = serve(repository.folder)
    try:
        for is_with_index in (False, True):
            if is_with_index:
                ChainPackages(Machine(places, LIMITS)).update_index()
            repository.mood = f"elsewhere at {other.address}"
            outcome, reason = run(places)
            assert (outcome, "leads to another address" in reason) == ("unreachable", True)
            assert other.requests == []
            assert_untouched(places)
            repository.mood = ""
    finally:
        other.shutdown()
        other.server_close()


def spoil_index(served: Path, _: Chain) -> None:
    for file in (served / "dists/stable/main/binary-amd64").glob("Packages*"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")


def spoil_signed_text(served: Path, _: Chain) -> None:
    file = served / "dists/stable/InRelease"
    file.write_text(file.read_text().replace("Suite: stable", "Suite: stabel"))


def remove_signature(served: Path, _: Chain) -> None:
    (served / "dists/stable/InRelease").unlink()
    (served / "dists/stable/Release.gpg").unlink()


def sign_otherwise(served: Path, chain: Chain) -> None:
    home = served.with_name("another-key")
    home.mkdir(mode=0o700)
    chain.sign(served, home)


def spoil_packages(served: Path, _: Chain) -> None:
    for file in served.glob("pool/**/*.deb"):
        file.write_bytes(file.read_bytes()[:-20] + bytes(20))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_index, "Hash Sum mismatch"),
        (spoil_signed_text, "signature"),
        (remove_signature, "not signed"),
        (sign_otherwise, "not signed"),
        (spoil_packages, "Hash Sum mismatch"),
    ],
)
def test_what_is_not_signed_right(
    places: Places, repository: HostileRepository, chain: Chain, spoil: Callable[[Path, Chain], None], told: str
) -> None:
    spoil(repository.folder, chain)
    outcome, reason = run(places)
    assert outcome == "unreachable"
    assert told in reason
    assert_untouched(places)


def test_an_old_index_offers_no_version_that_it_lacks(
    places: Places, repository: HostileRepository, chain: Chain
) -> None:
    """It is signed right. Whoever has seen the newer one keeps that."""
    shutil.rmtree(repository.folder)
    shutil.copytree(chain.older, repository.folder)
    outcome, reason = run(places)
    assert (outcome, f"version {NEW} is not in the chain's repository" in reason) == ("refused", True)
    assert_untouched(places)


def test_a_date_says_nothing(places: Places, repository: HostileRepository, chain: Chain) -> None:
    """A machine without a clock cannot judge it, and the head office says which version it is to be."""
    release = repository.folder / "dists/stable/Release"
    day = "Date: Thu, 01 Jan 2099 00:00:00 UTC\nValid-Until: Fri, 02 Jan 1998 00:00:00 UTC\n"
    lines = [line for line in release.read_text().splitlines(keepends=True) if not line.startswith("Date:")]
    release.write_text(day + "".join(lines))
    chain.sign(repository.folder)
    assert fetch(places).name == f"sunmi-gateway_{NEW}_amd64.deb"


@pytest.mark.parametrize(("version", "name"), [(NEW, "evil"), ("0.0.1", "sunmi-gateway")])
def test_a_package_that_is_another_one_than_the_index_says(
    places: Places, repository: HostileRepository, chain: Chain, tmp_path: Path, version: str, name: str
) -> None:
    """Whoever has the chain's key, and nobody else, can publish that."""
    dists = repository.folder / "dists/stable"
    content = make_package(tmp_path, version, name).read_bytes()
    (repository.folder / "pool/other.deb").write_bytes(content)
    index = dists / "main/binary-amd64/Packages"
    earlier = next(one for one in index.read_text().split("\n\n") if f"Version: {OLD}\n" in one)
    digest = hashlib.sha256(content).hexdigest()
    index.write_text(
        f"{earlier}\n\nPackage: sunmi-gateway\nVersion: {NEW}\nArchitecture: amd64\n"
        f"Filename: pool/other.deb\nSize: {len(content)}\nSHA256: {digest}\n"
    )
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    (dists / "Release").write_text(
        "Suite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\n"
        f"Date: Sun, 29 Nov 2026 13:33:26 UTC\nSHA256:\n {digest} {index.stat().st_size} main/binary-amd64/Packages\n"
    )
    chain.sign(repository.folder)
    outcome, reason = run(places)
    assert (outcome, reason) == ("refused", f"the package {NEW} in the repository is another one than it says")
    assert_untouched(places)
