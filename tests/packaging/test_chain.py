"""A whole chain in a booted Debian: versions that the office wants, hostile repositories, lost lines, power cuts."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.packaging.conftest import BROKEN, NEWER
from tests.packaging.machine import Machine, wait
from tests.packaging.test_boot import journal, ready, show, token
from tests.packaging.test_updates import OWN, UPDATE_S, boot, chained, read, sign_otherwise, spoil_content, version
from tests.updates import hostile_repository

__all__ = ["chained"]  # the fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SHOP: Final = "shop-17"
SERVER: Final = Path(sys.executable).with_name("nats-server")
BOOT: Final = "/boot/firmware"
SOURCE: Final = "/etc/apt/sources.list.d/sunmi-gateway.sources"
ORDER: Final = {"order_list": [{"order_no": "A-1"}]}
CLOUD: Final = {"base_url": "https://127.0.0.1:1", "app_id": "app", "secret_key": "secret"}
"""One that is never there, so that orders wait."""
MOODS: Final = ("endless index", "endless package", "elsewhere", "login page")
"""All others are tried with apt alone."""


@pytest.fixture
def chain(chained: Machine) -> Machine:
    """Give a machine that is head office and shop: it has joined by a code from its boot partition."""
    machine = chained
    shutil.copy(SERVER, machine.tree / "usr/local/bin")
    # The office runs from a copy, which no update touches.
    machine.run(
        "cp -a /usr/lib/sunmi-gateway /srv/program; mkdir -p /srv/bin; "
        "sed 's:/usr/lib/sunmi-gateway:/srv/program:' /usr/lib/sunmi-gateway/launch >/srv/bin/sunmi-gateway; "
        "chmod 755 /srv/bin/sunmi-gateway"
    )
    office(machine, "init", "/srv/chain --servers 127.0.0.1:4222 --join 127.0.0.1:7443 --storage-gb 1", where="")
    for name, folder, command in (
        ("server", "/srv/chain/servers/*", "/usr/local/bin/nats-server -c server.conf"),
        ("office", "/srv/chain", "/srv/bin/sunmi-gateway office serve"),
    ):
        folder = machine.run(f"echo {folder}").strip()
        text = f"[Service]\nWorkingDirectory={folder}\nExecStart={command}\nRestart=always\nRestartSec=1\n"
        machine.write(f"/etc/systemd/system/chain-{name}.service", f"{text}[Install]\nWantedBy=multi-user.target\n")
    machine.run("systemctl enable --now chain-server")
    wait(lambda: "4222" in machine.run("ss -ltn"), 60, "server")
    office(machine, "init", "/srv/chain", where="")
    machine.run("systemctl enable --now chain-office")
    wait(lambda: "7443" in machine.run("ss -ltn"), 60, "office")
    settings = machine.read("/etc/sunmi-gateway/gateway.toml")
    for key, value in CLOUD.items():
        settings = re.sub(rf'^# {key} = ""', f'{key} = "{value}"', settings, count=1, flags=re.M)
    machine.write("/etc/sunmi-gateway/gateway.toml", settings)
    code = json.loads(office(machine, "enrol", f"{SHOP} --json"))["code"]
    machine.write(f"{BOOT}/sunmi-gateway.toml", f'join_code = "{code}"\n')
    machine.run("systemctl restart sunmi-gateway")
    wait_for_shop(machine)
    return machine


def office(machine: Machine, command: str, words: str, *, where: str = "--folder /srv/chain") -> str:
    return machine.run(f"/srv/bin/sunmi-gateway office {command} {words} {where}")


def look(machine: Machine) -> Any:
    """Return what the head office knows of the shop."""
    return json.loads(office(machine, "show", f"{SHOP} --json"))


def wait_for_shop(machine: Machine) -> None:
    """Wait until the shop has joined and reported."""
    wait(lambda: look(machine)["reported"]["state"], 120, "report of the shop")
    ready(machine)


def find_answer(machine: Machine) -> Any:
    """Return the shop's answer about the version that is wanted; nothing before the first."""
    answers = look(machine)["reported"]["desired"]
    return {} if answers is None else answers["answers"].get("version", {})


def want(machine: Machine, wanted: str) -> None:
    office(machine, "update", f"{wanted} --shop {SHOP}")


def wait_for_answer(machine: Machine, *outcomes: str, told: str = "") -> str:
    """Wait until the head office has one of these outcomes for the version, and a reason that says so; return that."""

    def find() -> dict[str, str]:
        answer: dict[str, str] = find_answer(machine)
        return answer if answer.get("outcome") in outcomes and told in answer.get("reason", "") else {}

    return wait(find, UPDATE_S, f"{outcomes}: {told}")["reason"]


def take_order(machine: Machine, known: str) -> None:
    machine.write("/root/order.json", json.dumps(ORDER))
    answer = machine.run(
        f"curl -sS -w '%{{http_code}}' -H 'Authorization: Bearer {known}' -H 'Prefer: wait=0' -d @/root/order.json "
        "-H 'Content-Type: application/json' http://127.0.0.1/api/v1/cloud/order/update"
    )
    assert answer.endswith("202"), answer


def count_orders(machine: Machine) -> int:
    return len(json.loads(machine.run("sunmi-gateway outbox list --json"))["items"])


def test_a_lost_line_during_the_trial_rolls_nothing_back(chain: Machine) -> None:
    want(chain, NEWER)
    wait(lambda: read(chain, "journal").get("state") == "proving", UPDATE_S, "trial")
    chain.run("systemctl stop chain-server chain-office")
    wait(lambda: read(chain, "status").get("version") == NEWER and not read(chain, "journal"), UPDATE_S, "its end")
    assert read(chain, "status")["outcome"] == "applied", read(chain, "status")
    assert version(chain) == NEWER
    chain.run("systemctl start chain-server chain-office")
    wait_for_answer(chain, "applied")
    wait(lambda: look(chain)["reported"]["state"]["version"] == NEWER, 120, "report of the new version")


def test_a_version_that_does_not_work_comes_back_and_the_head_office_knows_why(chain: Machine) -> None:
    known, before = token(chain, "till-1"), version(chain)
    take_order(chain, known)
    want(chain, BROKEN)
    assert "it is broken" in wait_for_answer(chain, "rolled_back")
    assert (version(chain), count_orders(chain)) == (before, 1)
    want(chain, NEWER)
    wait_for_answer(chain, "applied")
    assert (version(chain), count_orders(chain)) == (NEWER, 1)


def test_an_order_that_the_new_version_has_accepted_outlives_a_power_cut(chain: Machine) -> None:
    """The installer is stopped, so that it learns only after the cut that the version has proved itself."""
    known = token(chain, "till-1")
    want(chain, NEWER)
    starts = ("activating", "active")
    wait(
        lambda: read(chain, "journal").get("state") == "proving" and show(chain, "ActiveState") in starts,
        UPDATE_S,
        "trial",
    )
    chain.run("systemctl kill --signal=STOP sunmi-gateway-update")
    healthy = "curl -sf http://127.0.0.1/healthz || :"
    wait(lambda: "ok" in chain.run(healthy) and version(chain) == NEWER, UPDATE_S, "new version that serves")
    assert read(chain, "journal")["state"] == "proving"
    take_order(chain, known)
    chain.cut()
    boot(chain)
    wait(lambda: not read(chain, "journal"), UPDATE_S, "its end")
    assert read(chain, "status")["outcome"] == "applied"
    ready(chain)
    assert (version(chain), count_orders(chain)) == (NEWER, 1)
    wait_for_answer(chain, "applied")


def test_hostile_repositories_reach_the_head_office_as_reasons(chain: Machine, repository: Path) -> None:
    """And what was half fetched from one at a power cut is never installed."""
    before, process = version(chain), show(chain, "MainPID")
    shutil.copy(hostile_repository.__file__, chain.tree / "root")
    chain.run("systemctl stop office")
    chain.run("systemd-run --unit=hostile python3 /root/hostile_repository.py /srv/packages 8999")
    elsewhere = "systemd-run --unit=elsewhere python3 -m http.server --bind 127.0.0.1 --directory /srv/packages 8998"
    chain.run(elsewhere)
    told = []

    def try_it(what: str) -> None:
        status = read(chain, "status").get("time")
        office(chain, "update", f"{NEWER} --shop {SHOP}")  # wanted anew
        wait(lambda: read(chain, "status").get("time") != status and not read(chain, "journal"), UPDATE_S, what)
        found = read(chain, "status")
        assert found["outcome"] in ("unreachable", "refused"), (what, found)
        wait_for_answer(chain, "pending", "refused", told=found["reason"][:200])
        told.append(f"{what}: {found['outcome']}: {found['reason'][:150]}")
        assert (version(chain), show(chain, "MainPID")) == (before, process)
        assert chain.run(f"find {OWN} -size +60M") == ""
        ready(chain)
        office(chain, "unset", f"version --shop {SHOP}")

    for mood in MOODS:
        chain.write("/srv/packages.mood", f"{mood} at http://127.0.0.1:8998")
        chain.run(f"rm -rf {OWN}/packages")
        try_it(mood)
    chain.write("/srv/packages.mood", "")
    spoils: tuple[Callable[[Path], None], ...] = (spoil_content, sign_otherwise)
    for spoil in spoils:
        restore(chain, repository)
        chain.run(f"rm -rf {OWN}/lists {OWN}/packages")
        spoil(chain.tree / "srv/packages")
        try_it(spoil.__name__)
    restore(chain, repository)
    print("\n".join(told))  # noqa: T201

    # Another package, whole, of which the server keeps back the rest of what was promised, until the power is cut.
    chain.run(
        "mkdir -p /root/evil/DEBIAN && cd /root && printf 'Package: sunmi-gateway\\nVersion: 9.9.9\\n"
        "Architecture: amd64\\nMaintainer: a <a@example.com>\\nDescription: evil\\n' >evil/DEBIAN/control && "
        "dpkg-deb -Zgzip -b evil evil.deb"
    )
    chain.write("/srv/packages.mood", "another package at /root/evil.deb")
    want(chain, NEWER)
    evil = (chain.tree / "root/evil.deb").read_bytes()

    def is_half_there() -> bool:
        found = (chain.tree / OWN.removeprefix("/")).rglob("*.deb")
        return any(file.read_bytes() == evil for file in found)

    chain.run(f"rm -f {OWN}/packages/*")
    wait(is_half_there, 120, "evil package")
    chain.cut()
    chain.write("/srv/packages.mood", "")
    boot(chain)
    wait_for_answer(chain, "applied")
    assert version(chain) == NEWER
    assert "evil" not in chain.run("dpkg-query --show --showformat='${Description}' sunmi-gateway")


def restore(machine: Machine, repository: Path) -> None:
    shutil.rmtree(machine.tree / "srv/packages")
    shutil.copytree(repository, machine.tree / "srv/packages")


def test_a_file_of_sources_that_is_no_such_changes_nothing(chained: Machine) -> None:
    before = chained.read(SOURCE)
    for spoiled in (
        before.replace("Types: deb", "Types: deb\nTrusted: yes"),
        "deb [trusted=yes] http://evil.example/ /",
    ):
        chained.write(f"{BOOT}/sunmi-gateway.sources", spoiled)
        chained.run("systemctl restart sunmi-gateway")
        ready(chained)
        assert (chained.read(SOURCE), chained.read(f"{BOOT}/sunmi-gateway.sources")) == (before, spoiled)
        assert "was not taken" in chained.read(f"{BOOT}/sunmi-gateway.sources.log.txt")
        assert "does not belong there" in journal(chained)
    other = before.replace("127.0.0.1:8999", "127.0.0.1:8998")
    (chained.tree / BOOT.removeprefix("/") / "sunmi-gateway.sources").unlink()
    chained.write(f"{BOOT}/sunmi-gateway.sources.txt", other.replace("\n", "\r\n"))
    chained.run("systemctl restart sunmi-gateway")
    ready(chained)
    assert chained.read(SOURCE) == other
    assert not (chained.tree / BOOT.removeprefix("/") / "sunmi-gateway.sources.txt").exists()
