"""A shop that sends what no gateway sends: the head office goes on, and shows the others."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client
from prometheus_client.parser import text_string_to_metric_families

from gateway.fleet.connection import FleetConnection, ReceivedMessage
from gateway.fleet.documents import ShopRecord
from gateway.office.command_responses import CommandResponses
from gateway.office.shop_facts import ShopFacts
from gateway.office.stored_messages import StreamMessage, read_stream
from gateway.office_site.chain_view import ChainView
from gateway.office_site.flow_table import ChainFlowTable
from gateway.office_site.metrics import render_metrics
from gateway.office_site.shop_reports import read_reports
from gateway.protocol import json_text
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

NOW = "2026-11-29T12:00:00Z"
STEERING = "\x1b[2J\x9b31m\u202egpj.exe\u2066\ud800"
BIG = "1" + "0" * 400
DEEP = "[" * 900 + "]" * 900


async def send_raw(client: Client, subject: bytes, headers: bytes, payload: bytes = b"{}", reply: bytes = b"") -> None:
    """Send what the client library would not send."""
    sizes = b"%d %d" % (len(headers), len(headers) + len(payload))
    await client._send_command(b"HPUB %b %b %b\r\n%b%b\r\n" % (subject, reply, sizes, headers, payload))
    await client.flush()


STATES = {
    "a number without end": f'{{"oldest_item_age_s": {BIG}, "outbox": {{"depth": {BIG}}}}}',
    "a number far away": '{"oldest_item_age_s": 1e999999, "outbox": {"depth": -7}}',
    "no number": '{"oldest_item_age_s": true, "outbox": {"depth": "7"}, "cameras": 5, "failing": [], "cloned": 1}',
    "no object": "[]",
    "no JSON": "{",
    "deep": f'{{"failing": {{"a": {DEEP}}}, "cloned": {{"host": {DEEP}, "addresses": [{DEEP}], "since": 1}}}}',
    "steering": json.dumps(
        {
            "version": STEERING,
            "failing": {STEERING: STEERING},
            "cloned": {"host": STEERING, "addresses": [STEERING], "since": STEERING},
        }
    ),
    "much": json.dumps({"failing": {str(number): "x" * 1000 for number in range(900)}}),
}
FINDINGS = json.dumps({"findings": [{"check": STEERING, "status": "failed", "text": STEERING}], "time": NOW})
ANSWERS = f'{{"revisions": {{"chain": {BIG}}}, "answers": {{"a\\u202e": {{"outcome": "refused"}}}}, "time": ""}}'


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_whatever_a_shop_reports_can_be_shown(state: str) -> None:
    facts = ShopFacts("shop-1", connected_since=NOW)
    facts.take_record(ShopRecord(state="joined", since=NOW).model_dump_json().encode())
    for kind, document in (("", state), ("findings", FINDINGS), ("desired", ANSWERS)):
        facts.take_report(kind, document.encode(), NOW)
    shown = json_text.dumps(facts.describe())
    assert len(shown) < 20_000
    assert 0 <= facts.waiting <= 10**9
    assert facts.oldest_waiting_s is None
    assert not set("\x1b\x9b\u202e\u2066") & set(shown)


def test_whatever_a_shop_reports_has_a_page() -> None:
    document = {
        "state": {"cameras": [{"sn": STEERING, "name": 5}, 5, {"online": "yes"}], "cloud_reachable": "yes"},
        "findings": json.loads(FINDINGS),
        "desired": {"revisions": {}, "answers": {STEERING: {"outcome": "refused", "reason": STEERING}}, "time": ""},
    }
    reports = read_reports(document)
    assert reports.desired is not None
    texts = [*reports.cameras[0][:2], *(text for _, text in reports.findings[0]), *reports.desired.answers]
    assert all(text.isprintable() for text in texts)
    for wrong in ({}, {"state": [], "findings": 7, "desired": []}, {"findings": {"findings": 7}}):
        assert read_reports(wrong) == ([], None, (), None)


def test_days_that_are_yet_to_come_push_nothing_out(office: HeadOffice) -> None:
    clock = PeerClock()
    clock.set(datetime.fromisoformat(NOW).timestamp())
    table = ChainFlowTable(None, clock)  # type: ignore[arg-type]
    for number, day in enumerate(["2026-11-28", *(f"9999-12-{one:02}" for one in range(1, 32)), "2026-W48-6"]):
        subject = f"fleet.v1.shop-1.flow.{day}"
        table._take(StreamMessage(subject, number, NOW, {}, b'{"total": 7, "final": true}'))
    assert table.days() == ["2026-11-28"]


HEADERS = [
    b"NATS/1.0 404 Not Found\r\n\r\n",
    b"NATS/1.0 204 EOB\r\n\r\n",
    b"NATS/1.0\r\nStatus: 404\r\n\r\n",
    b"NATS/1.0\r\nStatus: 500\r\nDescription: no\r\n\r\n",
    b"NATS/1.0 \xff\xff\xff\r\n\r\n",
    b"NATS/1.0\r\n\xff\xff: \xff\r\nno header\r\n\r\n",
    b"NATS/1.0\r\nNats-Subject: fleet.v1.shop-2.event.false\r\nNats-Sequence: 999999\r\n\r\n",
    b"NATS/1.0\r\nNats-Sequence: x",
]
SUBJECTS = [b"plain", b"a\xff", b"a\x0bb", b"a\x0cb", b"a\x1bb"]


async def test_what_a_stored_message_says_of_itself_hides_no_other(office: HeadOffice) -> None:
    async with office.client("shop-1") as hostile, office.client("shop-2") as other, office.client() as chain:
        state = (await chain.jetstream(timeout=30).stream_info("events")).state
        for headers in HEADERS:
            await send_raw(hostile, b"fleet.v1.shop-1.event.hostile", headers)
        for subject in SUBJECTS:
            await send_raw(hostile, b"fleet.v1.shop-1.event." + subject, b"NATS/1.0\r\n\r\n")
        await hostile.request("fleet.v1.shop-1.event.last", b"", timeout=60)  # nobody answers for those before
        await other.request("fleet.v1.shop-2.event.camera.motion", b'{"id": "x"}', timeout=60)
        found = [one async for one in read_stream(chain, "events", "fleet.v1.*.event.>", after=state.last_seq)]
    assert [one.sequence for one in found] == [*range(state.last_seq + 1, found[-1].sequence + 1)]
    assert found[-1].subject == "fleet.v1.shop-2.event.camera.motion"
    assert {one.subject.split(".")[2] for one in found[:-1]} == {"shop-1"}
    assert len(found) >= len(SUBJECTS) + 4  # a server may refuse what has a broken header


async def test_a_hostile_shop_does_not_cut_off_another(office: HeadOffice) -> None:
    """A stream answers to whatever subject the sender of a message names, also with what it was sent before."""
    heard: list[ReceivedMessage] = []
    connection = await FleetConnection.open(office.settings("shop-2"), on_lost=lambda: None)
    try:
        await connection.subscribe("fleet.v1.shop-2.command.*", heard.append)
        await connection.subscribe("fleet.v1.shop-2.present", heard.append)
        async with office.client("shop-1") as hostile, office.client("shop-2") as own:
            event, present = "fleet.v1.shop-1.event.a", "fleet.v1.shop-2.present"
            for subject in SUBJECTS:
                reply = b"fleet.v1.shop-2.command." + subject
                await send_raw(hostile, event.encode(), b"NATS/1.0\r\n\r\n", reply=reply)
            for headers in HEADERS:
                await send_raw(hostile, event.encode(), headers)
                await hostile.publish(f"$JS.API.DIRECT.GET.events.{event}", b"", reply=present)
            await hostile.flush()
            await own.publish(present, b"still there")
            await until(lambda: any(one.payload == b"still there" for one in heard))
        assert connection.is_open
        assert any(one.subject == "fleet.v1.shop-2.command.plain" for one in heard)
    finally:
        await connection.close()


async def test_a_hostile_response_cuts_off_nobody(office: HeadOffice) -> None:
    async with office.client("shop-1") as hostile, office.client("shop-2") as other, office.client() as chain:

        async def spoil(received: Any) -> None:
            at = received.reply.rpartition(".")[0].encode()
            for subject in SUBJECTS:
                await send_raw(hostile, at + b"." + subject, HEADERS[4], b"\xff")

        async def respond(received: Any) -> None:
            await received.respond(b"well")

        await hostile.subscribe("fleet.v1.shop-1.command.*", cb=spoil)
        await other.subscribe("fleet.v1.shop-2.command.*", cb=respond)
        await hostile.flush()
        await other.flush()
        async with CommandResponses.open(chain) as responses:
            with pytest.raises(TimeoutError):
                await responses.request("shop-1", "doctor", b"{}", 1.0)
            while True:
                try:
                    assert await responses.request("shop-2", "doctor", b"{}", 30.0) == b"well"
                    break
                except nats.errors.NoRespondersError:  # a server has not heard of the subscription yet
                    await asyncio.sleep(0.05)


async def test_the_head_office_shows_the_others(office: HeadOffice) -> None:
    record = ShopRecord(state="joined", since=NOW).model_dump_json().encode()
    async with office.connect() as connected:
        jetstream = connected.jetstream
        for shop in ("shop-1", "shop-2"):
            await jetstream.publish(f"$KV.shops.{shop}", record)
        async with office.client("shop-1") as hostile, office.client("shop-2") as other:
            for state in STATES.values():
                await hostile.request("$KV.reported.shop-1", state.encode(), timeout=60)
            await send_raw(hostile, b"$KV.reported.shop-1", b"NATS/1.0 404 x\r\n\r\n", STATES["steering"].encode())
            await hostile.request("$KV.reported.shop-1.findings", FINDINGS.encode(), timeout=60)
            await hostile.request("$KV.reported.shop-1.desired", ANSWERS.encode(), timeout=60)
            await other.request("$KV.reported.shop-2", b'{"version": "1.2.3"}', timeout=60)
        supervisor = Supervisor()
        async with ChainView.open(connected, supervisor) as view:
            facts: Mapping[str, Any] = {one.shop: one.describe() for one in view.shops}
            assert facts["shop-2"]["version"] == "1.2.3"
            json_text.dumps([*facts.values()])
            families = {one.name for one in text_string_to_metric_families(render_metrics(view, supervisor).decode())}
            assert "sunmi_office_shops" in families
        await supervisor.close()
