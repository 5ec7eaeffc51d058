"""The package in a system that is not booted: installed, removed, installed again, purged; nothing lost before that."""

import pytest

from tests.packaging.conftest import MIGRATION, NEWER, Packages, list_leftovers
from tests.packaging.machine import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

AS_SERVICE = "setpriv --reuid sunmi-gateway --regid sunmi-gateway --clear-groups"


def test_install_remove_install_purge(machine: Machine, packages: Packages) -> None:
    assert machine.run("stat -c '%a %U %G' /etc/sunmi-gateway/gateway.toml /var/lib/sunmi-gateway").split("\n") == [
        *("640 root sunmi-gateway", "700 sunmi-gateway sunmi-gateway", "")
    ]
    assert "nologin" in machine.run("getent passwd sunmi-gateway")
    machine.run("sunmi-gateway --version && sunmi-sdcard --help && test -e /usr/share/man/man1/sunmi-sdcard.1.gz")
    assert machine.run("systemctl is-enabled sunmi-gateway").strip() == "enabled"
    machine.run(f"{AS_SERVICE} sunmi-gateway token create --scope pos --name till-1")
    settings = machine.read("/etc/sunmi-gateway/gateway.toml")

    machine.run("dpkg --remove sunmi-gateway")
    assert not (machine.tree / "usr/lib/sunmi-gateway").exists()
    assert not (machine.tree / "usr/bin/sunmi-gateway").is_symlink()
    assert machine.read("/etc/sunmi-gateway/gateway.toml") == settings

    machine.run(f"dpkg -i /root/{packages.amd64.name}")
    assert machine.read("/etc/sunmi-gateway/gateway.toml") == settings
    assert "till-1" in machine.run(f"{AS_SERVICE} sunmi-gateway token list --json")

    machine.run("dpkg --purge sunmi-gateway")
    assert list_leftovers(machine) == []


def test_root_leaves_nothing_that_the_service_cannot_use(machine: Machine) -> None:
    refused = machine.run("sunmi-gateway token create --scope pos --name till-1", check=False)
    assert "sudo -u sunmi-gateway" in refused
    assert machine.run("find /var/lib/sunmi-gateway -user root") == ""


def test_byte_code_is_made_for_the_next_python(machine: Machine) -> None:
    code = "usr/lib/sunmi-gateway/shared/gateway/__pycache__"
    assert list((machine.tree / code).glob("app.*.pyc"))
    machine.run(f"rm -r /{code} && dpkg-trigger --by-package=python3-minimal /usr/bin/python3 && dpkg --configure -a")
    assert list((machine.tree / code).glob("app.*.pyc"))


def test_a_python_without_libraries_is_named(machine: Machine) -> None:
    machine.run("mv /usr/lib/sunmi-gateway/python3.11 /root; mv /usr/lib/sunmi-gateway/python3.13 /root")
    told = machine.run("sunmi-gateway --version", check=False)
    assert "this package has no libraries for python3.1" in told
    assert len(told.splitlines()) == 1


def test_an_edited_file_and_the_data_outlive_upgrade_and_downgrade(machine: Machine, packages: Packages) -> None:
    def settings() -> tuple[str, str]:
        file = "/etc/sunmi-gateway/gateway.toml"
        return machine.read(file), machine.run(f"stat -c '%a %U %G' {file}")

    edited = settings()
    assert edited[1] == "640 root sunmi-gateway\n"
    machine.run(f"{AS_SERVICE} sunmi-gateway token create --scope pos --name till-1")

    machine.run(f"dpkg --force-confold -i /root/{packages.newer.name}")
    assert machine.run("sunmi-gateway --version").strip().endswith(NEWER)
    assert settings() == edited
    assert "A later version says more" in machine.read("/etc/sunmi-gateway/gateway.toml.dpkg-dist")
    assert "till-1" in machine.run(f"{AS_SERVICE} sunmi-gateway token list --json")

    machine.run(f"dpkg --force-confold -i /root/{packages.amd64.name}")
    assert settings() == edited
    copy = f"/var/lib/sunmi-gateway/gateway.db.before-{MIGRATION}"
    refused = machine.run(f"{AS_SERVICE} sunmi-gateway token list", check=False)
    assert "a newer gateway has used it" in refused
    assert copy in refused
    machine.run(f"{AS_SERVICE} mv {copy} /var/lib/sunmi-gateway/gateway.db")
    assert "till-1" in machine.run(f"{AS_SERVICE} sunmi-gateway token list --json")
