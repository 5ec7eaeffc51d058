"""The package as the README has it installed, by apt: what it brings, NetworkManager and a boot partition, removal."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.conftest import Packages, list_leftovers
from tests.packaging.machine import RELEASES, Machine, make_system
from tests.packaging.test_boot import journal, ready, show
from tests.packaging.test_console import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

APT: Final = "DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes"
SETTINGS: Final = "/etc/sunmi-gateway/gateway.toml"
RULE: Final = "/usr/share/polkit-1/rules.d/50-sunmi-gateway.rules"


@pytest.fixture(scope="module", params=RELEASES)
def installed(request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package by apt from a mirror, and what it suggests; return the system's folder."""
    tree: Path = tmp_path_factory.mktemp("system") / request.param
    commands = (  # the option is the default, which mmdebstrap changes
        f"{APT} -o APT::Install-Recommends=true install ./{packages.amd64.name}",
        f"{APT} --no-install-recommends install network-manager polkitd",
    )
    make_system(request.param, tree, give=packages.amd64, commands=commands)
    return tree


def test_apt_brings_what_it_needs_and_takes_it_away(machine: Machine) -> None:
    machine.run("sunmi-gateway --version && ffmpeg -version && apt-get check")
    assert machine.run("systemctl is-enabled sunmi-gateway").strip() == "enabled"
    fields = re.search(r"^Recommends: (.+)$", machine.run("dpkg --status sunmi-gateway"), re.M)
    assert fields is not None
    recommended = fields[1].split(", ")
    assert sorted(machine.run(f"apt-mark showauto {' '.join(recommended)}").split()) == sorted(recommended)
    machine.run(f"{APT} purge sunmi-gateway")
    assert list_leftovers(machine) == []
    removed = machine.run(f"{APT} --simulate autoremove")
    assert [name for name in recommended if name not in removed] == []


def test_the_service_may_join_hotspots_by_network_manager(machine: Machine) -> None:
    """The unit reaches the system bus, and the package's rule for polkitd allows its user what the gateway asks for."""

    def examine() -> str:
        findings = json.loads(machine.run("sunmi-gateway doctor --json || :"))["findings"]
        return str(next(finding["evidence"] for finding in findings if finding["check"] == "hotspots"))

    machine.boot()
    ready(machine)
    # All is there but a Wi-Fi interface, which is looked for last.
    assert "this machine has no Wi-Fi interface" in examine()
    machine.run(f"mv {RULE} /root && systemctl restart polkit")
    assert "NetworkManager does not allow this user to change networks" in examine()
    machine.run(f"mv /root/{Path(RULE).name} {RULE} && systemctl restart polkit")
    assert "this machine has no Wi-Fi interface" in examine()
    machine.run("systemctl stop NetworkManager")
    assert "NetworkManager does not run on this machine" in examine()


@pytest.fixture
def boot_partition(machine: Machine, tmp_path: Path) -> Iterator[Path]:
    """Mount a FAT image where a Raspberry Pi has its boot partition; return its folder."""
    image, folder = tmp_path / "boot.img", machine.tree / "boot/firmware"
    with image.open("wb") as stream:
        stream.truncate(64 * 1024 * 1024)
    folder.mkdir()
    mount = ["mount", "-o", "loop"] if "vfat" in Path("/proc/filesystems").read_text() else ["fusefat", "-o", "rw+"]
    subprocess.run(["mkfs.vfat", "-F", "32", image], stdout=subprocess.DEVNULL, check=True, timeout=60)
    subprocess.run([*mount, image, folder], stdout=subprocess.DEVNULL, check=True, timeout=60)
    try:
        yield folder
    finally:
        machine.cut()
        subprocess.run(["umount", folder], check=True, timeout=60)


def test_settings_come_from_the_boot_partition(machine: Machine, boot_partition: Path) -> None:
    """A file as Windows writes it is taken at the start; one with a mistake stays, and so do the settings."""
    packaged = machine.read(SETTINGS)
    given = packaged.replace('# shop_id = ""', 'shop_id = "42"')
    assert given != packaged
    file, log = boot_partition / "sunmi-gateway.toml.txt", boot_partition / "sunmi-gateway.log.txt"
    file.write_bytes(given.replace("\n", "\r\n").encode("utf-16"))
    machine.boot()
    ready(machine)
    assert not file.exists()
    assert "The file was taken" in log.read_text("utf-8-sig")
    taken = machine.read(SETTINGS)
    assert taken.partition("\n")[2] == given
    assert machine.run(f"stat -c '%a %U %G' {SETTINGS} {SETTINGS}.replaced-1").split() == [
        *("640", "root", "sunmi-gateway"),
        *("640", "root", "sunmi-gateway"),
    ]
    assert machine.read(f"{SETTINGS}.replaced-1") == packaged

    (boot_partition / "sunmi-gateway.toml").write_text("[server]\nprot = 80\n")
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)
    assert (boot_partition / "sunmi-gateway.toml").exists()
    assert machine.read(SETTINGS) == taken
    for told in (log.read_text("utf-8-sig"), journal(machine)):
        assert "server.prot" in told

    (boot_partition / "sunmi-gateway.toml").write_text('[cloud]\nshop_id = "43"\n')
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)  # at the ports of the package, which this file does not name
    assert json.loads(machine.run("sunmi-gateway backup /root/backup.tar.gz --json 2>/dev/null"))


def test_a_pairing_code_on_the_boot_partition_is_good_once(machine: Machine, boot_partition: Path) -> None:
    """A file with nothing else leaves the settings; the code is in no file and no log, and a restart forgets it."""

    def put(code: str) -> None:
        (boot_partition / "sunmi-gateway.toml").write_bytes(f'pairing_code = "{code}"\r\n'.encode())

    def type_code(code: str) -> int:
        return Visitor(machine).status("/console/sign-in", f"-o /dev/null -d code={code}")

    settings = machine.read(SETTINGS)
    put("4711-SHOP")
    machine.boot()
    ready(machine)
    assert not (boot_partition / "sunmi-gateway.toml").exists()
    assert "for ten minutes" in (boot_partition / "sunmi-gateway.log.txt").read_text("utf-8-sig")
    assert machine.run("stat -c '%a %U' /run/sunmi-gateway && ls -A /run/sunmi-gateway") == "700 sunmi-gateway\n"
    Visitor(machine).sign_in("4711shop")
    assert type_code("4711shop") == 400
    assert machine.read(SETTINGS) == settings

    put("4712-DOOR")
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)
    assert type_code("4712door") == 400
    put("11111111")
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)
    assert (boot_partition / "sunmi-gateway.toml").exists()
    assert "at least 5 of them different" in journal(machine)
    assert type_code("11111111") == 400
    told = journal(machine).upper().replace("-", "")
    assert not [code for code in ("4711SHOP", "4712DOOR", "11111111") if code in told]
    assert show(machine, "NRestarts") == "0"
