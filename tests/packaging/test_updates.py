"""Updates with real packages: a signed repository, apt, systemd, dpkg; versions that fail; power cuts at any step."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.gnupg_home import make_gnupg_home
from tests.packaging.conftest import BROKEN, NEWER, REPOSITORY_URL
from tests.packaging.machine import Machine, wait
from tests.packaging.test_boot import ready, show, token, tokens

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

OWN: Final = "/var/lib/sunmi-gateway-updates"
REQUEST: Final = "/var/lib/sunmi-gateway/update/request.json"
CHECKS: Final = ("api", "storage", "orders", "database", "changed_settings", "services", "https_certificate")
CUTS: Final = ("stopping", "installing", "proving", "returning")
UPDATE_S: Final = 600


@pytest.fixture
def chained(machine: Machine, repository: Path) -> Machine:
    """Give a machine that trusts the chain's repository, which it serves itself."""
    shutil.copytree(repository, machine.tree / "srv/packages")
    machine.write("/boot/firmware/sunmi-gateway.sources", (repository / "sunmi-gateway.sources").read_text())
    unit = "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory /srv/packages 8999\n"
    machine.write("/etc/systemd/system/office.service", f"{unit}[Install]\nWantedBy=multi-user.target\n")
    machine.run("systemctl enable office.service")
    boot(machine)
    taken = machine.tree / "etc/apt/sources.list.d/sunmi-gateway.sources"
    assert taken.read_text() == (repository / "sunmi-gateway.sources").read_text()
    assert (taken.stat().st_mode & 0o777, taken.stat().st_uid) == (0o644, 0)
    assert "Updates come from" in machine.read("/boot/firmware/sunmi-gateway.sources.log.txt")
    assert not (machine.tree / "boot/firmware/sunmi-gateway.sources").exists()
    return machine


def boot(machine: Machine) -> None:
    machine.boot(timeout=3600)
    ready(machine)
    wait(lambda: "Signed-By" in machine.run(f"curl -s {REPOSITORY_URL}/sunmi-gateway.sources || :"), 60, "repository")


def version(machine: Machine) -> str:
    return machine.run("sunmi-gateway --version").split()[-1]


def ask(machine: Machine, wanted: str, attempt: str) -> None:
    """Ask as the service does."""
    request = json.dumps({"attempt": attempt * 32, "version": wanted, "checks": CHECKS})
    machine.write("/root/request.json", request)
    folder = os.path.dirname(REQUEST)
    as_service = "setpriv --reuid sunmi-gateway --regid sunmi-gateway --clear-groups"
    machine.run(f"{as_service} mkdir -p {folder}; install -m 600 -o sunmi-gateway /root/request.json {folder}/new")
    machine.run(f"mv {folder}/new {REQUEST}")


def read(machine: Machine, name: str) -> dict[str, Any]:
    try:
        document = json.loads(machine.read(f"{OWN}/{name}.json"))
    except (FileNotFoundError, ValueError):
        return {}
    assert isinstance(document, dict)
    return document


def outcome(machine: Machine, attempt: str) -> tuple[str, str]:
    """Wait for what becomes of an update."""

    def ended() -> dict[str, Any]:
        status = read(machine, "status")
        return status if status.get("attempt") == attempt * 32 and not read(machine, "journal") else {}

    status = wait(ended, UPDATE_S, "end of the update")
    ready(machine)
    left = f"ls {OWN}/pending.json {OWN}/journal.json /var/lib/sunmi-gateway/update/copy* /etc/systemd/system/sunmi* "
    assert "sunmi" not in machine.run(
        f"{left} /etc/systemd/system/multi-user.target.wants/sunmi*recovery* 2>/dev/null; :"
    )
    return status["outcome"], status["reason"]


TILL: Final = """
import http.client, sys, time
statuses = []
while True:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=2)
        connection.request("GET", "/api/v1/cameras", headers={"Authorization": "Bearer " + sys.argv[1]})
        response = connection.getresponse()
        response.read()
        statuses.append(f"{response.status} {response.headers.get('Retry-After')}")
    except OSError:
        statuses.append("refused")
    print(time.monotonic(), statuses[-1], flush=True)
    time.sleep(0.05)
"""


def test_a_newer_version_serves_after_it_has_proved_itself(chained: Machine) -> None:
    known = token(chained, "till-1")
    chained.write("/root/till.py", TILL)
    chained.run(f"systemd-run --unit=till --property=StandardOutput=file:/root/till.txt python3 /root/till.py {known}")
    ask(chained, NEWER, "a")
    assert outcome(chained, "a") == ("applied", "")
    assert version(chained) == NEWER
    assert tokens(chained) == {"till-1"}
    status = chained.run(f"curl -sSf -H 'Authorization: Bearer {known}' http://127.0.0.1/api/v1/status")
    assert json.loads(status)["version"] == NEWER
    lines = [line.split(" ", 1) for line in chained.read("/root/till.txt").splitlines()]
    away = [(float(when), what) for when, what in lines if what != "200 None"]
    assert {what for _, what in away} <= {"refused", "503 5"}
    proved = [when for when, what in away if what == "503 5"]
    print(  # noqa: T201
        f"tills waited {away[-1][0] - away[0][0]:.1f} s, the last {away[-1][0] - proved[0]:.1f} s for the proof"
        if proved
        else f"tills waited {away[-1][0] - away[0][0]:.1f} s"
    )
    kept = chained.run(f"ls {OWN}/packages").split()
    assert len(kept) == 2
    ask(chained, BROKEN, "b")  # the next one goes back to this one
    assert outcome(chained, "b")[0] == "rolled_back"
    assert version(chained) == NEWER
    assert tokens(chained) == {"till-1"}


def test_one_that_does_not_work_comes_back_with_its_database(chained: Machine) -> None:
    known = token(chained, "till-1")
    before = version(chained)
    ask(chained, BROKEN, "a")
    told, reason = outcome(chained, "a")
    assert told == "rolled_back"
    assert "it is broken" in reason
    assert version(chained) == before
    assert tokens(chained) == {"till-1"}
    assert (
        json.loads(chained.run(f"curl -sSf -H 'Authorization: Bearer {known}' http://127.0.0.1/api/v1/status"))[
            "version"
        ]
        == before
    )
    ask(chained, BROKEN, "a")  # what was decided stays so
    wait(lambda: not (chained.tree / REQUEST.removeprefix("/")).exists(), 60, "end of the request")
    assert version(chained) == before


def spoil_content(tree: Path) -> None:
    for file in (tree / "dists/stable/main/binary-amd64").glob("Packages*"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")


def spoil_signed_text(tree: Path) -> None:
    file = tree / "dists/stable/InRelease"
    file.write_text(file.read_text().replace("Suite: stable", "Suite: stabel"))
    (tree / "dists/stable/Release").unlink()


def sign_otherwise(tree: Path) -> None:
    """Sign it with another key."""
    release = tree / "dists/stable/Release"
    with make_gnupg_home() as gpg:
        sign = [*gpg, "--yes", "--clearsign", "-o", str(release.with_name("InRelease")), str(release)]
        subprocess.run(sign, check=True)


def spoil_package(tree: Path) -> None:
    for file in tree.glob(f"pool/**/*{NEWER}*.deb"):
        file.write_bytes(file.read_bytes()[:-100] + bytes(100))
    for file in tree.glob("pool/**/newer.deb"):
        file.write_bytes(file.read_bytes()[:-100] + bytes(100))


def test_what_is_not_signed_right_is_not_installed(chained: Machine, repository: Path) -> None:
    served = chained.tree / "srv/packages"
    before, process = version(chained), show(chained, "MainPID")
    for attempt, spoil in zip("abcd", (spoil_content, spoil_signed_text, sign_otherwise, spoil_package), strict=True):
        shutil.rmtree(served)
        shutil.copytree(repository, served)
        chained.run(f"rm -rf {OWN}/lists {OWN}/packages")
        spoil(served)
        ask(chained, NEWER, attempt)
        told, reason = outcome(chained, attempt)
        assert told == "unreachable", (spoil.__name__, reason)
        print(f"{spoil.__name__}: {reason}")  # noqa: T201
        assert (version(chained), show(chained, "MainPID")) == (before, process)
    shutil.rmtree(served)
    shutil.copytree(repository, served)
    ask(chained, NEWER, "e")
    assert outcome(chained, "e") == ("applied", "")


def cut_while(machine: Machine, state: str, after_s: float) -> bool:
    """Cut the power some time after an update has come to a state; return whether it was still in it."""
    wait(lambda: read(machine, "journal").get("state") == state or not read(machine, "journal"), UPDATE_S, state)
    time.sleep(after_s)
    was = read(machine, "journal").get("state")
    machine.cut()
    return was == state


@pytest.mark.parametrize("wanted", [NEWER, BROKEN])
def test_a_power_cut_ends_in_one_of_the_two(machine: Machine, chained: Machine, wanted: str) -> None:
    assert machine is chained
    token(chained, "till-1")
    before = version(chained)
    told = []
    for number, (state, after_s) in enumerate([(state, after_s) for state in CUTS for after_s in (0, 1.5)]):
        if state == "returning" and wanted == NEWER:
            continue
        attempt = "0123456789abcdef"[number]
        ask(chained, wanted, attempt)
        wait(lambda attempt=attempt: read(chained, "journal").get("attempt") == attempt * 32, 60)  # type: ignore[misc]
        cut_while(chained, state, after_s)
        boot(chained)
        what, _ = outcome(chained, attempt)
        found = version(chained)
        assert found in (before, wanted)
        assert tokens(chained) == {"till-1"}
        assert (found == wanted and wanted != before) == (what == "applied")
        assert chained.run("dpkg --audit") == ""
        told.append(f"{state}+{after_s:g} s: {what}, {found}")
        if found == NEWER:
            break
    print("; ".join(told))  # noqa: T201
