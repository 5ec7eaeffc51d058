"""The package in a booted Debian: ready, killed, hung, cut off, at 1970, upgraded, misconfigured, beside Avahi."""

import json
import re
import subprocess
import tomllib
from typing import Final

import pytest

from tests.packaging.conftest import NEWER, Packages
from tests.packaging.machine import Machine, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RESTART_S: Final = 60
"""The longest back-off, and a start."""

HANG_S: Final = 30 + 10 + RESTART_S
"""What the watchdog allows, the time to die, and the restart."""


@pytest.fixture
def booted(machine: Machine) -> Machine:
    machine.boot()
    ready(machine)
    return machine


def ready(machine: Machine, within_s: float = RESTART_S) -> None:
    """Wait until systemd counts it as started, and see that it is true at that moment."""
    wait(lambda: show(machine, "ActiveState") == "active", within_s, "gateway that is ready")
    machine.run("curl -sSf --max-time 5 http://127.0.0.1/authority.pem -o /run/authority.pem")
    for url in ("http://127.0.0.1/healthz", "https://127.0.0.1/healthz --cacert /run/authority.pem"):
        assert machine.run(f"curl -sS --max-time 5 {url}") == '{"status":"ok"}'


def show(machine: Machine, name: str) -> str:
    return machine.run(f"systemctl show sunmi-gateway --property={name} --value").strip()


def journal(machine: Machine) -> str:
    return machine.run("journalctl --unit=sunmi-gateway --output=cat --no-pager")


def token(machine: Machine, name: str, scope: str = "pos") -> str:
    """Make a token, as root over the running service's socket."""
    return machine.run(f"sunmi-gateway token create --scope {scope} --name {name}").strip()


def tokens(machine: Machine) -> set[str]:
    return {one["name"] for one in json.loads(machine.run("sunmi-gateway token list --json"))["tokens"]}


def test_ready_and_confined(booted: Machine) -> None:
    assert show(booted, "User") == "sunmi-gateway"
    assert "network-online" not in show(booted, "After")
    assert show(booted, "StatusText") == "It serves on http://127.0.0.1:80/ https://127.0.0.1:443/"
    process = show(booted, "MainPID")
    assert booted.run(f"ps -o user:20= -p {process}").strip() == "sunmi-gateway"
    level = re.search(r"exposure level .*: (\d\.\d)", booted.run("systemd-analyze security sunmi-gateway --no-pager"))
    assert level is not None
    assert float(level[1]) < 2.0
    second = booted.run("setpriv --reuid sunmi-gateway --regid sunmi-gateway --clear-groups sunmi-gateway run 2>&1; :")
    assert "another gateway holds this state directory" in second
    ready(booted)
    assert show(booted, "NRestarts") == "0"
    print(f"exposure level {level[1]}")  # noqa: T201


def test_killed_again_and_again(booted: Machine) -> None:
    token(booted, "till-1")
    for count in range(1, 7):  # more often than systemd's usual limit allows
        booted.run("kill -9 $(systemctl show sunmi-gateway --property=MainPID --value)")
        wait(lambda count=count: show(booted, "NRestarts") == str(count), RESTART_S, "restart")  # type: ignore[misc]
        ready(booted)
    assert tokens(booted) == {"till-1"}


def test_a_hang_is_ended_by_the_watchdog(booted: Machine) -> None:
    token(booted, "till-1")
    booted.run("kill -STOP $(systemctl show sunmi-gateway --property=MainPID --value)")
    wait(lambda: show(booted, "NRestarts") == "1", HANG_S, "restart by the watchdog")
    ready(booted)
    assert "Watchdog timeout" in journal(booted)
    assert tokens(booted) == {"till-1"}


def test_a_healthy_gateway_is_left_alone(booted: Machine) -> None:
    booted.run("sleep 45", timeout=60)  # longer than the watchdog allows without being fed
    assert show(booted, "NRestarts") == "0"
    assert "Watchdog" not in journal(booted)


def test_power_cuts_lose_nothing_accepted(machine: Machine) -> None:
    accepted: set[str] = set()
    for cut in range(3):
        machine.boot()
        ready(machine)
        found = tokens(machine)
        assert accepted <= found
        admin = token(machine, f"admin-{cut}", "admin")
        accepted.add(f"admin-{cut}")
        machine.write(
            "/root/tills.sh",
            f"""n=0; while :; do n=$((n + 1)); name=till-{cut}-$n
            curl -sSf --max-time 5 -H 'Authorization: Bearer {admin}' http://127.0.0.1/api/v1/tokens \\
              -d '{{"name": "'$name'", "scope": "pos"}}' >/dev/null || exit
            echo $name; done""",
        )
        until = 20 + 15 * cut
        around = ["nsenter", "--target", str(machine.leader), "--all", "sh", "/root/tills.sh"]
        with subprocess.Popen(around, stdout=subprocess.PIPE, text=True) as tills:
            assert tills.stdout is not None
            for line in tills.stdout:
                accepted.add(line.strip())
                if line.strip() == f"till-{cut}-{until}":
                    machine.cut()
    machine.boot()
    ready(machine)
    assert accepted <= tokens(machine)
    assert len(accepted) >= 20 + 35 + 50
    print(f"3 power cuts, {len(accepted)} tokens made before and during them, none lost")  # noqa: T201


def test_a_clock_at_1970(booted: Machine) -> None:
    known = token(booted, "till-1")
    library = booted.run("ls /usr/lib/*/faketime/libfaketime.so.1").strip()
    drop_in = "/etc/systemd/system/sunmi-gateway.service.d/clock.conf"
    clock = f"LD_PRELOAD={library} FAKETIME=@1970-01-01\\x2000:00:20 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_SHM=1"
    booted.write(drop_in, f"[Service]\nEnvironment={clock} DONT_FAKE_MONOTONIC=1\n")
    booted.run("systemctl daemon-reload && systemctl restart sunmi-gateway")
    ready(booted)
    assert "1970" in booted.run("curl -sSi http://127.0.0.1/healthz | grep -i ^date")
    status = f"curl -sSf -H 'Authorization: Bearer {known}' http://127.0.0.1/api/v1/status"
    booted.run(status)
    token(booted, "till-1970")
    booted.run(f"sleep 40; rm {drop_in}; systemctl daemon-reload", timeout=60)
    assert show(booted, "NRestarts") == "0"
    booted.run("systemctl restart sunmi-gateway")
    ready(booted)
    booted.run(status)
    assert tokens(booted) == {"till-1", "till-1970"}


def test_upgrade_while_it_runs(booted: Machine, packages: Packages) -> None:
    known = token(booted, "till-1")
    settings = booted.read("/etc/sunmi-gateway/gateway.toml")
    booted.run(f"DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /root/{packages.newer.name}")
    ready(booted)
    status = booted.run(f"curl -sSf -H 'Authorization: Bearer {known}' http://127.0.0.1/api/v1/status")
    assert json.loads(status)["version"] == NEWER
    assert tokens(booted) == {"till-1"}
    assert booted.read("/etc/sunmi-gateway/gateway.toml") == settings
    booted.run("dpkg --remove sunmi-gateway")
    assert booted.run("systemctl is-active sunmi-gateway || :").strip() in ("inactive", "unknown")
    assert (booted.tree / "var/lib/sunmi-gateway/gateway.db").exists()


SPOILED = {
    "a typo": (
        "sed -i 's/^port = 80/prot = 80/' /etc/sunmi-gateway/gateway.toml",
        "sed -i 's/^prot = 80/port = 80/' /etc/sunmi-gateway/gateway.toml",
        "/etc/sunmi-gateway/gateway.toml: server.prot: is not a setting",
    ),
    "a closed key file": (
        """cd /etc/sunmi-gateway && echo 12345678 >secret && chmod 600 secret
        sed -i 's|^# secret_key_file = ""|secret_key_file = "/etc/sunmi-gateway/secret"|' gateway.toml""",
        "chgrp sunmi-gateway /etc/sunmi-gateway/secret && chmod 640 /etc/sunmi-gateway/secret",
        "cloud.secret_key_file: /etc/sunmi-gateway/secret cannot be read: Permission denied",
    ),
    "a taken port": (
        """systemctl stop sunmi-gateway; systemd-run --unit=other python3 -m http.server 80
        until curl -s http://127.0.0.1 >/dev/null; do sleep 0.1; done""",
        "systemctl stop other",
        "cannot listen on 0.0.0.0:80 (server.port): Address already in use",
    ),
    "a full disk": (
        "dd if=/dev/zero of=/var/lib/sunmi-gateway/filler bs=4k",
        "rm /var/lib/sunmi-gateway/filler",
        "its disk is full; free some space there",
    ),
    "a read-only disk": (
        "systemctl stop sunmi-gateway; mount -o remount,ro /var/lib/sunmi-gateway",
        "mount -o remount,rw /var/lib/sunmi-gateway",
        "ead-only file system",  # systemd's own words, or ours
    ),
}


def test_what_is_wrong_is_told_and_heals_by_itself(machine: Machine) -> None:
    machine.write(
        "/etc/fstab", "state /var/lib/sunmi-gateway tmpfs size=4m,mode=700,uid=sunmi-gateway,gid=sunmi-gateway 0 0\n"
    )
    machine.boot()
    ready(machine)
    token(machine, "till-1")
    for what, (spoil, mend, reason) in SPOILED.items():
        machine.run(f"journalctl --rotate --vacuum-time=1s; {spoil}", check=False)
        machine.run("systemctl restart sunmi-gateway", check=False)
        wait(lambda: int(show(machine, "NRestarts")) >= 2, RESTART_S, f"second try after {what}")
        told = [line for line in journal(machine).splitlines() if reason in line]
        assert len(told) >= 2, f"{what}: {journal(machine)}"
        machine.run(mend)
        ready(machine)
        assert tokens(machine) == {"till-1"}, what


STORE = "/srv/store/gateway.toml"
CAMERA = "FS101D8BS00001"
MEMORY_MAX = 384 * 1024 * 1024


def configure_store(machine: Machine) -> None:
    """Simulate a store in the machine, and let its gateway serve that store."""
    machine.run("systemd-run --unit=store sunmi-gateway simulate store --cameras 1 --directory /srv/store")
    wait(lambda: (machine.tree / STORE.removeprefix("/")).exists(), RESTART_S, "settings of the store")
    packaged = tomllib.loads(machine.read("/etc/sunmi-gateway/gateway.toml"))
    sections = tomllib.loads(machine.read(STORE)) | {name: packaged[name] for name in ("server", "storage")}
    lines = [
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
        for name, keys in sections.items()
    ]
    machine.write("/etc/sunmi-gateway/gateway.toml", "\n".join(lines) + "\n")
    machine.run("systemctl restart sunmi-gateway")
    ready(machine)


def list_children(machine: Machine) -> list[str]:
    return machine.run("pgrep -u sunmi-gateway -x ffmpeg || :").split()


def test_pictures_stay_within_the_units_limits(machine_with_ffmpeg: Machine) -> None:
    machine = machine_with_ffmpeg
    machine.boot()
    configure_store(machine)
    machine.run(f"sunmi-gateway discover && sunmi-gateway cameras add {CAMERA}")
    machine.run(f"sunmi-gateway cameras snapshot {CAMERA} /root/door.jpg")
    assert (machine.tree / "root/door.jpg").read_bytes().startswith(b"\xff\xd8")
    looking = f"while :; do sunmi-gateway cameras snapshot {CAMERA} /root/door.jpg; done"
    machine.run(f"systemd-run --unit=viewer sh -c '{looking}'")
    child, *_ = wait(lambda: list_children(machine), RESTART_S, "ffmpeg")
    assert machine.run(f"cat /proc/{child}/oom_score_adj").strip() == "900"
    gateway = show(machine, "MainPID")
    niceness, own = (int(machine.run(f"ps -o ni= -p {process}")) for process in (child, gateway))
    assert niceness == max(5, own)  # the whole machine is nice where the proofs are
    assert machine.run(f"grep 'Max address space' /proc/{child}/limits").split()[3] == str(1024**3)
    used = machine.run(f"cat /proc/{gateway}/smaps_rollup /proc/{child}/smaps_rollup | grep ^Pss:")
    assert sum(int(line.split()[1]) for line in used.splitlines()) * 1024 < MEMORY_MAX
    machine.run(f"kill -9 {child}")
    wait(lambda: set(list_children(machine)) - {child}, RESTART_S, "another ffmpeg")
    limits = {name: show(machine, name) for name in ("OOMPolicy", "MemoryMax")}
    assert limits == {"OOMPolicy": "continue", "MemoryMax": str(MEMORY_MAX)}
    assert (show(machine, "MainPID"), show(machine, "NRestarts")) == (gateway, "0")
    print(f"gateway and ffmpeg together, in kB: {used.split()[1::3]}")  # noqa: T201


RESOLVE = """
import asyncio, sys
sys.path[:0] = ["/usr/lib/sunmi-gateway/python%d.%d" % sys.version_info[:2], "/usr/lib/sunmi-gateway/shared"]
from zeroconf import AddressResolverIPv4, Zeroconf
zeroconf = Zeroconf(interfaces=["10.77.0.2"])
for name in sys.argv[1:]:
    found = AddressResolverIPv4(name + ".local.")
    print(name, found.request(zeroconf, 8000) and found.parsed_addresses())  # noqa: T201
zeroconf.close()
"""


def test_it_reaches_its_network_beside_avahi(machine: Machine) -> None:
    machine.write("/root/resolve.py", RESOLVE)
    machine.boot()
    machine.run(
        "ip netns add street && ip link add lan0 type veth peer name lan1 netns street && "
        "ip address add 10.77.0.1/24 dev lan0 && ip link set lan0 up && "
        "ip -n street address add 10.77.0.2/24 dev lan1 && ip -n street link set lan1 up && "
        "ip -n street link set lo up && systemctl restart avahi-daemon sunmi-gateway"
    )
    ready(machine)
    machine.run(
        "systemd-run --unit=camera ip netns exec street sunmi-gateway simulate camera --host 10.77.0.2 --port 443"
    )
    wait(lambda: "Started" in machine.run("ip netns exec street ss -ltn | grep -q :443 && echo Started || :"), 30)
    for method in ("broadcast", "sweep"):  # the sweep asks each address over HTTPS who it is
        found = json.loads(machine.run(f"sunmi-gateway discover --method {method} --json"))
        assert found["methods"] == {method: {"found": 1, "error": None}}
        assert [camera["address"] for camera in found["cameras"]] == ["10.77.0.2:443"]
    found = json.loads(machine.run("sunmi-gateway discover --method mdns --json"))
    assert found["methods"]["mdns"]["error"] is None
    machine.run("ip netns exec street curl -sSf http://10.77.0.1/healthz")
    machine.run("ip netns exec street curl -sSf --cacert /dev/stdin https://10.77.0.1/healthz </run/authority.pem")
    host = machine.run("hostname").strip()
    resolved = machine.run(f"ip netns exec street python3 -IS /root/resolve.py {host} sunmi-gateway")
    assert resolved.splitlines() == [f"{host} ['10.77.0.1']", "sunmi-gateway ['10.77.0.1']"]
    assert "_sunmi-gateway._tcp" in machine.run("avahi-browse --parsable --terminate _sunmi-gateway._tcp")
    assert machine.run("systemctl is-active avahi-daemon").strip() == "active"
