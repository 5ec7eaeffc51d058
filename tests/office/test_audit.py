"""What is changed at the head office can be read afterwards: who, from where, what, and which revision."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest

from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import AUDIT, SHOPS
from gateway.office import audit
from gateway.office.audit import read_audit, read_newest, record_change
from gateway.office.bucket import Bucket
from gateway.office.changes import change_at_once, change_groups
from gateway.office.enrolment import Enrolment
from gateway.office.office import Actor, Office
from gateway.office.readers import add_reader, revoke_reader
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollouts import RolloutAction, RolloutStore, act_on_rollout, start_rollout
from gateway.office.shops import load_shops
from tests.fleet.cluster import HeadOffice
from tests.office.test_init_command import run, run_json

ANNA = Actor("page", "anna", "192.0.2.7")
INTERVAL = "settings.discovery.interval_s"


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        yield connected.acting_for(ANNA)


async def read_new(office: Office, after: int) -> list[audit.AuditEntry]:
    return [one async for one in read_audit(office, after=after)]


async def last_number(office: Office) -> int:
    return int((await office.jetstream.stream_info(AUDIT)).state.last_seq)


async def test_each_change_leaves_who_what_and_which_revision(connected: Office) -> None:
    before = await last_number(connected)
    code = await Enrolment(connected).enrol("audit-1", title="One", groups=["north"])
    record = await Bucket(connected, SHOPS).get("audit-1")
    await change_groups(connected, "audit-1", add=["south"])
    shops = await load_shops(connected)
    target = RolloutTarget(groups=("north",))
    changed = await change_at_once(connected, shops, {INTERVAL: 90}, target)
    assert (await change_at_once(connected, shops, {INTERVAL: 90}, target))["unchanged"] is True
    rollout = await start_rollout(connected, shops, "settings", {INTERVAL: 91}, target, title="t", waves=["100"])
    actions: list[RolloutAction] = ["pause", "continue", "stop", "undo"]
    for action in actions:
        await act_on_rollout(connected, rollout.id, action)
    stored = (await RolloutStore(connected).get(rollout.id))[1]
    await add_reader(connected, "audit-reader", mqtt=False)
    await revoke_reader(connected, "audit-reader")
    await Enrolment(connected).retire("audit-1")
    await Enrolment(connected).retire("audit-1")
    entries = await read_new(connected, before)
    assert [(one.action, one.object) for one in entries] == [
        ("enrol", "audit-1"), ("groups", "audit-1"), ("desired", "group.north"), ("rollout", rollout.id),
        *((f"rollout_{action}", rollout.id) for action in actions),
        ("reader_add", "audit-reader"), ("reader_revoke", "audit-reader"), ("retire", "audit-1"),
    ]  # fmt: skip
    assert {(one.who, one.via, one.host) for one in entries} == {("anna", "page", "192.0.2.7")}
    assert entries[0].revision == record.revision
    assert entries[2].details == {"parts": {INTERVAL: 90}}
    assert changed["documents"] == ["group.north"]
    assert entries[3].details["parts"] == {INTERVAL: 91}
    assert all(one.revision for one in entries)
    assert [one.revision for one in entries if one.action == "rollout_undo"] == [stored]
    secrets = (code.secret.hex(), str(code).rpartition("/")[2])
    assert not [one for one in secrets if one in json.dumps([entry.describe() for entry in entries])]
    assert ShopRecord.model_validate_json(record.value or b"").code_sha256 not in str(entries)


async def test_the_command_shows_them_and_the_newest_last(office: HeadOffice, connected: Office) -> None:
    chosen = ("--folder", str(office.chain.path))
    for number in range(3):
        await run_json("enrol", f"audit-c{number}", *chosen)
    found = (await run_json("audit", "audit-c", "--limit", "2", *chosen))["entries"]
    assert [(one["object"], one["via"], one["action"]) for one in found] == [
        ("audit-c1", "command", "enrol"), ("audit-c2", "command", "enrol"),
    ]  # fmt: skip
    assert found[0]["host"]
    status, output, errors = await run("audit", "AUDIT-C", "--limit", "2", "--since", "1h", *chosen)
    assert (status, "Enrol a shop" in output, "--limit 4" in errors) == (0, True, True), errors
    status, output, errors = await run("audit", "nothing of the kind", *chosen)
    assert (status, output) == (0, "")
    assert "nothing like that" in errors


async def test_an_entry_is_bounded_whatever_was_changed(connected: Office) -> None:
    wide = {f"name {number} {'n' * 300}": ["v" * 1000] * 100 for number in range(100)}
    deep: object = "x"
    for _ in range(50):
        deep = {"a": deep}
    await record_change(connected.acting_for(Actor("api", "w" * 999, "h" * 999)), "file", "o" * 5000, wide=wide)
    await record_change(connected, "file", "deep", deep=deep, none=None)
    [narrow, bounded] = await read_newest(connected, 2)
    assert (narrow.object, list(narrow.details)) == ("deep", ["deep"])
    assert (len(bounded.object), len(bounded.who), len(bounded.host)) == (200, 200, 200)
    stored = await connected.jetstream.get_msg(AUDIT, seq=bounded.number)
    assert len(stored.data or b"") <= audit.MAX_ENTRY_BYTES
    assert (await connected.jetstream.stream_info(AUDIT)).config.max_bytes == 64 * 1024 * 1024


async def test_nobody_takes_an_entry_out(connected: Office) -> None:
    await record_change(connected, "file", "kept")
    number = await last_number(connected)
    with pytest.raises(nats.errors.Error):
        await connected.jetstream.delete_msg(AUDIT, number)
    with pytest.raises(nats.errors.Error):
        await connected.jetstream.purge_stream(AUDIT)
    assert await last_number(connected) == number


async def test_a_change_that_cannot_be_recorded_is_made_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    office = HeadOffice(tmp_path, nodes=1)
    await office.start()
    try:
        async with office.connect() as connected:
            await connected.jetstream.delete_stream(AUDIT)  # as a chain of an earlier version
            with caplog.at_level(logging.ERROR):
                await Enrolment(connected).enrol("north-1")
            assert (await Bucket(connected, SHOPS).get("north-1")).value
    finally:
        await office.stop()
    assert f"not in the audit log; if that stays, run `sunmi-gateway office init {office.chain.path}`" in caplog.text
