"""The package as the README has it installed, by apt: what it brings, NetworkManager and a boot partition, removal."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.conftest import Packages, list_leftovers
from tests.packaging.machine import RELEASES, Machine, make_tarball
from tests.packaging.test_boot import journal, ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

APT: Final = "DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes"
SETTINGS: Final = "/etc/sunmi-gateway/gateway.toml"
RULE: Final = "/usr/share/polkit-1/rules.d/50-sunmi-gateway.rules"


@pytest.fixture(scope="module", params=RELEASES)
def installed_by_apt(
    request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Install the package by apt from a mirror, and what it suggests; return the system as a tarball."""
    file = tmp_path_factory.mktemp("system") / f"{request.param}-apt.tar"
    commands = (  # the option is the default, which mmdebstrap changes
        f"{APT} -o APT::Install-Recommends=true install ./{packages.amd64.name}",
        f"{APT} --no-install-recommends install network-manager polkitd",
    )
    make_tarball(request.param, file, give=packages.amd64, commands=commands)
    return file


@pytest.fixture
def appliance(installed_by_apt: Path, tmp_path: Path) -> Iterator[Machine]:
    """Give the system, not yet booted; cut its power in the end."""
    machine = Machine(installed_by_apt, tmp_path / "machine")
    try:
        yield machine
    finally:
        machine.cut()
        shutil.rmtree(machine.tree, ignore_errors=True)


def test_apt_brings_what_it_needs_and_takes_it_away(appliance: Machine) -> None:
    appliance.run("sunmi-gateway --version && ffmpeg -version && apt-get check")
    assert appliance.run("systemctl is-enabled sunmi-gateway").strip() == "enabled"
    assert appliance.run("apt-mark showmanual sunmi-gateway ffmpeg").split() == ["sunmi-gateway"]
    appliance.run(f"{APT} purge sunmi-gateway")
    assert list_leftovers(appliance) == []
    assert "ffmpeg" in appliance.run(f"{APT} --simulate autoremove")


def test_the_service_may_join_hotspots_by_network_manager(appliance: Machine) -> None:
    """The unit reaches the system bus, and the package's rule for polkitd allows its user what the gateway asks for."""

    def examine() -> str:
        findings = json.loads(appliance.run("sunmi-gateway doctor --json || :"))["findings"]
        return str(next(finding["evidence"] for finding in findings if finding["check"] == "hotspots"))

    appliance.boot()
    ready(appliance)
    # All is there but a Wi-Fi interface, which is looked for last.
    assert "this machine has no Wi-Fi interface" in examine()
    appliance.run(f"mv {RULE} /root && systemctl restart polkit")
    assert "NetworkManager does not allow this user to change networks" in examine()
    appliance.run(f"mv /root/{Path(RULE).name} {RULE} && systemctl restart polkit")
    assert "this machine has no Wi-Fi interface" in examine()
    appliance.run("systemctl stop NetworkManager")
    assert "NetworkManager does not run on this machine" in examine()


@pytest.fixture
def boot_partition(appliance: Machine, tmp_path: Path) -> Iterator[Path]:
    """Mount a FAT image where a Raspberry Pi has its boot partition; return its folder."""
    image, folder = tmp_path / "boot.img", appliance.tree / "boot/firmware"
    with image.open("wb") as stream:
        stream.truncate(64 * 1024 * 1024)
    folder.mkdir()
    mount = ["mount", "-o", "loop"] if "vfat" in Path("/proc/filesystems").read_text() else ["fusefat", "-o", "rw+"]
    subprocess.run(["mkfs.vfat", "-F", "32", image], stdout=subprocess.DEVNULL, check=True, timeout=60)
    subprocess.run([*mount, image, folder], stdout=subprocess.DEVNULL, check=True, timeout=60)
    try:
        yield folder
    finally:
        appliance.cut()
        subprocess.run(["umount", folder], check=True, timeout=60)


def test_settings_come_from_the_boot_partition(appliance: Machine, boot_partition: Path) -> None:
    """A file as Windows writes it is taken at the start; one with a mistake stays, and so do the settings."""
    packaged = appliance.read(SETTINGS)
    given = packaged.replace('# shop_id = ""', 'shop_id = "42"')
    assert given != packaged
    file, log = boot_partition / "sunmi-gateway.toml.txt", boot_partition / "sunmi-gateway.log.txt"
    file.write_bytes(given.replace("\n", "\r\n").encode("utf-16"))
    appliance.boot()
    ready(appliance)
    assert not file.exists()
    assert "The settings were taken" in log.read_text("utf-8-sig")
    taken = appliance.read(SETTINGS)
    assert taken.partition("\n")[2] == given
    assert appliance.run(f"stat -c '%a %U %G' {SETTINGS} {SETTINGS}.replaced-1").split() == [
        *("640", "root", "sunmi-gateway"),
        *("640", "root", "sunmi-gateway"),
    ]
    assert appliance.read(f"{SETTINGS}.replaced-1") == packaged

    (boot_partition / "sunmi-gateway.toml").write_text("[server]\nprot = 80\n")
    appliance.run("systemctl restart sunmi-gateway")
    ready(appliance)
    assert (boot_partition / "sunmi-gateway.toml").exists()
    assert appliance.read(SETTINGS) == taken
    for told in (log.read_text("utf-8-sig"), journal(appliance)):
        assert "server.prot" in told
