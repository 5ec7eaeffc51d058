"""The database from beside, room on the disk, wear of a card, ports that others keep, and what waits in the outbox."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.doctor import linux, machine
from gateway.doctor.check import CheckContext
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.store import SimulatedStore
from gateway.storage import health

ORDER = CATALOGUE.get("cloud", "order/update")


async def test_a_sound_database_that_is_in_use(resident: Any) -> None:
    found = await resident.one("database")
    assert found.status == "ok"
    assert "schema " in found.evidence


async def test_no_database_yet(doctor: Any) -> None:
    assert (await doctor.one("database")).status == "skipped"


async def test_a_database_that_was_deleted_under_the_gateway(gateway: Gateway, resident: Any) -> None:
    gateway.directory.database.unlink()
    found = await resident.one("database")
    assert (found.status, "restart the gateway" in found.what_to_do) == ("failed", True)


async def test_a_database_that_cannot_be_read(gateway: Gateway, doctor: Any) -> None:
    path = gateway.directory.database
    await gateway.close()
    path.unlink()
    path.mkdir()  # which nobody, root included, can read as a database
    found = await doctor.one("database")
    assert (found.status, "dmesg" in found.what_to_do) == ("failed", True)


async def test_damage_is_found_and_not_repaired(gateway: Gateway, doctor: Any) -> None:
    path = gateway.directory.database
    await gateway.database.executemany(
        "INSERT INTO provisioning_job (sn, state) VALUES (?, ?)", [(f"SN{n}", "x" * 500) for n in range(200)]
    )
    await gateway.database.checkpoint()
    await gateway.close()
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 24 * 4096] = b"\xa5" * 4 * 4096
    path.write_bytes(content)
    found = await doctor.one("database")
    assert found.status == "failed"
    assert "is damaged" in found.what
    assert path.read_bytes() == content
    path.with_name("gateway.db.corrupt-1").write_bytes(b"")
    assert [one.status for one in (await doctor("database"))["database"]] == ["failed", "warning"]


def test_a_look_at_a_large_database_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE migration (name TEXT)")
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i FROM n"
        made.execute(f"INSERT INTO migration {rows}")
    made.close()
    assert health.examine(path, limit_s=30).rows == {"migration": 200000}
    unfinished = health.examine(path, limit_s=0)
    assert (unfinished.complete, unfinished.damage) == (False, None)


async def test_room(doctor: Any, with_settings: Callable[..., Any]) -> None:
    assert (await doctor.one("disk")).status == "ok"
    assert (await with_settings(outbox__max_bytes=10**18).one("disk")).status == "warning"


CARD = "179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
DISK = "179:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"


def machine_like(root: Path, mounts: str, *, device: str, swaps: str = "", journal: bool = False) -> Path:
    """Make the files in which Linux tells of its mounts."""
    for folder in ("proc/self", "sys/dev/block", f"sys/devices/{device}"):
        (root / folder).mkdir(parents=True)
    numbered = "".join(f"{number} 0 {line}\n" for number, line in enumerate(mounts.splitlines(), 20))
    (root / "proc/self/mountinfo").write_text(numbered)
    (root / "proc/swaps").write_text(f"Filename Type Size Used Priority\n{swaps}")
    (root / "sys/dev/block/179:2").symlink_to(root / f"sys/devices/{device}")
    if journal:
        (root / "var/log/journal").mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("mounts", "device", "more", "expected"),
    [
        (CARD, "mmc0/mmcblk0/mmcblk0p2", {}, ["ok"]),
        (DISK, "ata1/sda/sda2", {"swaps": "/swapfile file 1 0 -2\n", "journal": True}, ["ok"]),
        (CARD.replace("relatime", "nodev"), "mmc0/mmcblk0/mmcblk0p2", {}, ["every read"]),
        (CARD, "mmc0/mmcblk0/mmcblk0p2", {"swaps": "/var/swap file 1 0 -2\n"}, ["swaps"]),
        (CARD, "mmc0/mmcblk0/mmcblk0p2", {"swaps": "/dev/zram0 partition 1 0 5\n"}, ["ok"]),
        (CARD, "mmc0/mmcblk0/mmcblk0p2", {"journal": True}, ["journal"]),
        (f"{CARD}0:30 / /var/log rw - tmpfs tmpfs rw", "mmc0/mmcblk0/mmcblk0p2", {"journal": True}, ["ok"]),
        ("0:30 / / rw - overlay overlay rw", "none", {}, ["may be lost"]),
        ("", "none", {}, ["does not show"]),
    ],
)
async def test_wear_of_a_card(
    doctor: Any, tmp_path: Path, mounts: str, device: str, more: dict[str, Any], expected: list[str]
) -> None:
    root = machine_like(tmp_path / "root", mounts, device=device, **more)
    found = await machine.check_card(CheckContext(doctor.settings, None), root)
    assert len(found) == len(expected)
    for one, word in zip(found, expected, strict=True):
        assert one.status == word or word in one.what
        assert bool(one.what_to_do) == (one.status == "warning")


async def test_a_port_for_tills_that_another_program_has(with_settings: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = await with_settings(server__port=port).one("server_ports")
        assert found.status == "failed"
        assert f"TCP port {port} is not available (server.port)" in found.what
        assert "has it" in found.evidence
    assert (await with_settings(server__port=port).one("server_ports")).status == "ok"


async def test_the_port_of_discovery_that_another_program_keeps(doctor: Any, store: SimulatedStore) -> None:
    assert (await doctor.one("discovery_port")).status == "ok", "the simulated cameras share it"
    await store.responder.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", doctor.settings.discovery.broadcast_port))
        found = await doctor.one("discovery_port")
    assert found.status == "warning"
    assert "has it" in found.evidence


def test_who_has_a_port_is_told_by_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert "process" in linux.find_port_holder("tcp", own.getsockname()[1])
    assert linux.find_port_holder("tcp", 1) == ""


async def test_the_outbox(gateway: Gateway, resident: Any, store: SimulatedStore) -> None:
    assert (await resident.one("outbox")).status == "ok"
    store.cloud.faults.add("refuse", code=5047)
    order = ORDER.encode({"order_list": [{"order_no": "CN1"}]}, defaults=gateway.settings.cloud.shop)
    gateway.outbox_worker.start()
    refused = await gateway.outbox.submit(order, token="till", wait_s=10)
    assert refused.state == "refused"
    found = await resident.one("outbox")
    assert (found.status, found.what) == ("warning", "1 call was refused by the cloud")
    assert "--state refused" in found.what_to_do


async def test_what_waits_for_long(gateway: Gateway, resident: Any, store: SimulatedStore) -> None:
    await store.cloud.stop()
    order = ORDER.encode({"order_list": [{"order_no": "CN1"}]}, defaults=gateway.settings.cloud.shop)
    await gateway.outbox.submit(order, token="till")
    for hours, status in ((0, "ok"), (2, "warning"), (30, "failed")):
        now_s = gateway.uptime.now()
        await gateway.database.execute("UPDATE item SET accepted_s = ?", (now_s - hours * 3600,))
        found = await resident.one("outbox")
        assert (found.status, found.what) == (status, "1 call waits for the cloud")


async def test_the_network_of_a_machine_that_keeps_to_itself(resident: Any) -> None:
    checks = ("interfaces", "broadcast", "multicast", "discovery", "client_isolation")
    found = await resident(*checks)
    # A machine can have interfaces that are left out, and says so.
    found["interfaces"] = [one for one in found["interfaces"] if one.status != "skipped"]
    assert {name: {one.status for one in found[name]} for name in checks} == {
        **{name: {"ok"} for name in checks}, "client_isolation": {"skipped"},
    }  # fmt: skip
    assert "broadcast found cameras: 2 of 2" in found["discovery"][0].what
    assert "2 hosts answered" in found["broadcast"][0].evidence


async def test_an_interface_that_is_not_there(with_settings: Callable[..., Any]) -> None:
    doctor = with_settings(discovery__interfaces='["eth77"]')
    assert "failed" in {one.status for one in (await doctor("interfaces"))["interfaces"]}
    assert (await doctor.one("broadcast")).status == "skipped"


async def test_a_method_of_discovery_that_cannot_work(resident: Any, gateway: Gateway) -> None:
    keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # without address reuse
    with keeper:
        keeper.bind(("127.0.0.1", gateway.settings.discovery.broadcast_port))
        found = {one.what.partition(" ")[0]: one for one in (await resident("discovery"))["discovery"]}
    assert found["broadcast"].status == "warning"
    assert "used by another program" in found["broadcast"].evidence
