"""The package as Debian's tools make it, packed in seconds with the gateway alone inside."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from gateway import RELEASED_AT, __version__
from tests.test_documents import find_links, resolves

ROOT = Path(__file__).parents[2]


def test_the_changelog_begins_with_this_release() -> None:
    changelog = (ROOT / "packaging/debian/changelog").read_text(encoding="utf-8")
    control = (ROOT / "packaging/debian/control").read_text(encoding="utf-8")
    entry = re.match(r"sunmi-gateway \((.+?)\) stable; urgency=\w+\n.*?\n -- (.+?)  (.+?)\n", changelog, re.DOTALL)
    assert entry is not None
    version, maintainer, date = entry.groups()
    assert version == __version__
    assert f"Maintainer: {maintainer}\n" in control
    assert parsedate_to_datetime(date).timestamp() == RELEASED_AT


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack for another architecture than most machines', without the libraries."""
    if shutil.which("dh") is None:
        pytest.skip("needs debhelper")
    tree = tmp_path_factory.mktemp("pack") / "sunmi-gateway"
    shutil.copytree(ROOT / "packaging/debian", tree / "debian")
    subprocess.run(
        [sys.executable, str(ROOT / "packaging/documents.py"), str(tree / "documents")], check=True, timeout=60
    )
    for name in ("gateway", "firmware_tools"):
        pure = shutil.ignore_patterns("__pycache__", "*.md")
        shutil.copytree(ROOT / name, tree / "libraries/shared" / name, ignore=pure)
    # Compressing takes a third of the time, and nothing here depends on it.
    environment = os.environ | {"DPKG_DEB_COMPRESSOR_TYPE": "none"}
    subprocess.run(
        ["bash", str(ROOT / "packaging/pack.sh"), str(tree), "arm64"], check=True, timeout=120, env=environment
    )
    (file,) = tree.parent.glob("*.deb")
    return file


@pytest.fixture(scope="module")
def files(package: Path) -> dict[str, tarfile.TarInfo]:
    folder = package.parent
    with (folder / "data.tar").open("wb") as data:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=data, check=True, timeout=60)
    with tarfile.open(folder / "data.tar") as archive:
        return {member.name.removeprefix("./"): member for member in archive.getmembers()}


@pytest.mark.slow
def test_what_it_says_of_itself(package: Path) -> None:
    fields = subprocess.run(["dpkg-deb", "--field", str(package)], capture_output=True, text=True, check=True).stdout
    assert f"Version: {__version__}\n" in fields
    assert "Architecture: arm64\n" in fields
    depends = re.search("^Depends: (.*)$", fields, re.M)
    assert depends is not None
    assert {"python3", "systemd", "libc6", "libstdc++6"} <= {one.split()[0] for one in depends[1].split(", ")}
    scripts = ("conffiles", "postinst", "prerm", "postrm", "triggers")
    conffiles, *rest = (
        subprocess.run(["dpkg-deb", "--info", str(package), one], capture_output=True, text=True, check=True).stdout
        for one in scripts
    )
    assert conffiles.split() == ["/etc/sunmi-gateway/gateway.toml"]
    assert "#DEBHELPER#" not in "".join(rest)
    # An upgrade restarts a service that runs, and leaves one stopped that the installer of updates has stopped.
    assert "deb-systemd-invoke $_dh_action 'sunmi-gateway-update.path'" in rest[0]
    assert "deb-systemd-invoke try-restart 'sunmi-gateway.service'" in rest[0]
    assert "deb-systemd-invoke start sunmi-gateway.service" in rest[0]
    preinst = subprocess.run(
        ["dpkg-deb", "--info", str(package), "preinst"], capture_output=True, text=True, check=False
    )
    assert "stop" not in preinst.stdout
    # The user exists before its files do, and both before the service starts.
    steps = [rest[0].index(step) for step in ("systemd-sysusers $", "systemd-tmpfiles $", "deb-systemd-invoke $")]
    assert steps == sorted(steps)


@pytest.mark.slow
def test_where_its_files_are(files: dict[str, tarfile.TarInfo]) -> None:
    assert files["etc/sunmi-gateway/gateway.toml"].mode == 0o640
    assert files["usr/lib/sunmi-gateway/launch"].mode == 0o755
    for command in ("sunmi-gateway", "sunmi-sdcard"):
        assert files[f"usr/bin/{command}"].linkname == "../lib/sunmi-gateway/launch"
        assert files[f"usr/share/man/man1/{command}.1.gz"].isfile()
    assert files["etc/issue.d/sunmi-gateway.issue"].linkname == "/run/issue.d/sunmi-gateway.issue"
    for unit in ("gateway.service", "gateway-update.service", "gateway-update.path"):
        assert files[f"usr/lib/systemd/system/sunmi-{unit}"].isfile()
    installer = "usr/lib/sunmi-gateway/installer/"
    inside = {
        name.removeprefix(installer) for name, file in files.items() if name.startswith(installer) and file.isfile()
    }
    assert inside == {f"gateway/updates/{name}.py" for name in ("__init__", "installer", "machine", "packages")}
    assert files["usr/lib/sysusers.d/sunmi-gateway.conf"].isfile()
    assert files["usr/lib/tmpfiles.d/sunmi-gateway.conf"].isfile()
    assert not [name for name in files if name.startswith(("lib/", "opt/", "var/"))]
    assert {(file.uname, file.gname) for file in files.values()} == {("root", "root")}
    assert not [name for name, file in files.items() if file.mode & 0o022 and not file.issym()]


@pytest.mark.slow
def test_the_guides_are_inside_and_their_links_resolve(package: Path, files: dict[str, tarfile.TarInfo]) -> None:
    folder = "usr/share/doc/sunmi-gateway"
    names = ("installer", "till", "appliance", "cards", "simulator", "labels", "office", "office-pages")
    guides = {f"{name}.md" for name in names}
    others = {"README.md", "README.zh.md", "installer.zh.md", "link.md"}
    assert {Path(name).name for name in files if name.startswith(folder) and ".md" in name} == guides | others
    with tarfile.open(package.parent / "data.tar") as archive:
        archive.extractall(package.parent, [one for one in archive if "/doc/" in one.name])  # noqa: S202  our own
    linked = set()
    for document in (package.parent / folder).glob("*.md"):
        links = find_links(document)
        assert [link for link in links if not resolves(document, link)] == []
        linked |= {link.partition("#")[0] for link in links if document.name == "README.md"}
    assert linked - {"", "README.zh.md"} == guides
