"""The servers of a chain, and what time it is when the clock of one of them is wrong."""

import contextlib
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats.errors
import nats.js.errors
import pytest

from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import SHOPS
from gateway.office import server_requests
from gateway.office.bucket import Bucket
from gateway.office.connections import read_connections, read_ends
from gateway.office.enrolment import Enrolment
from gateway.office.office import Office, connect_client
from gateway.office.server_requests import gather_responses
from gateway.office.servers import ChainServer, find_clock, find_wrong_clocks, list_servers
from tests.fleet.cluster import HeadOffice
from tests.fleet.hosts import LoneHost
from tests.forking import run_program
from tests.office_site.chain import find_user, visit
from tests.system_clock import move_clock, needs_emulator

DAY_S = 86_400.0


def make_servers(*days_ahead: float) -> Sequence[ChainServer]:
    """Return servers whose clocks are so many days ahead of this machine's."""
    own = time.time() - time.monotonic()
    return [
        ChainServer(f"ID{number}", f"chain-{number + 1}", own + days * DAY_S) for number, days in enumerate(days_ahead)
    ]


@pytest.mark.parametrize(
    ("days_ahead", "expected", "wrong"),
    [
        ([400], 400, []),
        ([400, 400, 400], 400, []),
        ([0, 400, 0], 0, ["chain-2"]),
        ([0, 0, -400], 0, ["chain-3"]),
        ([400, 400, 0], 400, ["chain-3"]),
        ([0.0001, -400, 0], 0, ["chain-2"]),
        ([-400, 0], 0, ["chain-1"]),
        ([0, 400], 0, ["chain-2"]),
    ],
)
def test_the_time_is_that_of_most_servers(days_ahead: Sequence[float], expected: float, wrong: Sequence[str]) -> None:
    servers = make_servers(*days_ahead)
    now = time.monotonic() + find_clock(servers)
    assert abs(now - time.time() - expected * DAY_S) < 60
    found = find_wrong_clocks(servers)
    assert [one.server for one in found] == wrong
    for one in found:
        assert abs(one.now - now) < 60
        told = days_ahead[int(one.server.removeprefix("chain-")) - 1] * DAY_S + time.time()
        assert abs(one.told - told) < 60


async def test_a_silent_server_holds_up_nobody_who_asks_all_of_them(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_requests, "OTHERS_S", 0.2)
    async with office.connect() as connected:
        before = time.monotonic()
        [response] = await gather_responses(connected.observer, "$SYS.REQ.SERVER.PING", count_expected=lambda _: 3)
        assert before < response.received_at < time.monotonic()
        assert json.loads(response.payload)["server"]["name"] == "chain-1"
        monkeypatch.setattr(server_requests, "FIRST_RESPONSE_S", 0.1)
        office.nodes[0].freeze()
        with pytest.raises(nats.errors.TimeoutError):
            await ask_until_silent(connected)
        office.nodes[0].thaw()


async def ask_until_silent(office: Office) -> None:
    """Ask a server again and again: one that is frozen may still respond once."""
    while True:
        await gather_responses(office.observer, "$SYS.REQ.SERVER.PING")


@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("days", [-400, 400])
async def test_one_of_three_servers_has_a_wrong_clock(tmp_path: Path, days: int) -> None:
    """What it says of times counts nothing, even while it leads the streams; and people are told."""
    office = HeadOffice(tmp_path, "shop-1", hosts=LoneHost({"chain-2": move_clock(days)}))
    await office.start()
    try:
        async with office.connect() as connected:
            await let_lead(connected, f"KV_{SHOPS}", "chain-2")
            clocks = {one.name: one.clock for one in await list_servers(connected.observer)}
            assert abs(clocks["chain-2"] - clocks["chain-1"] - days * DAY_S) < 60
            now = datetime.fromtimestamp(time.monotonic() + clocks["chain-1"], UTC)
            assert abs(await connected.read_time() - now) < timedelta(minutes=5)
            await Enrolment(connected).enrol("shop-2", valid_days=7)
            record = ShopRecord.model_validate_json((await Bucket(connected, SHOPS).get("shop-2")).value or b"")
            assert abs(datetime.fromisoformat(record.code_expires) - now - timedelta(days=7)) < timedelta(minutes=5)
            await check_connections(office, connected, now)
        listed = run_program("gateway", "office", "shops", "--folder", str(office.chain.path))
        assert "the clock of the server chain-2 is wrong: it says " in listed.stderr
        assert listed.stderr.count("is wrong") == 1
        async with visit(office) as visitor:
            await visitor.sign_in("view")
            assert "the clock of the server chain-2 is wrong: it says " in (await visitor.get(""))[1]
    finally:
        await office.stop()


async def let_lead(office: Office, stream: str, server: str) -> None:
    """Let a server lead a stream. What is asked while none does may get no response."""
    wish = json.dumps({"placement": {"preferred": server}}).encode()
    while True:
        with contextlib.suppress(nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
            info = await office.client.jetstream(timeout=1).stream_info(stream)
            if info.cluster is not None and info.cluster.leader == server:
                return
            await office.client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", wish, timeout=1)


async def check_connections(office: HeadOffice, connected: Office, now: datetime) -> None:
    """See since when a shop is connected at the second server, and away."""
    user = find_user(office, "shop-1")
    files = CredentialFiles.of(office.settings("shop-1"))
    client = await connect_client([office.servers[1]], load_credentials(files))
    since = datetime.fromisoformat((await read_connections(connected)).since[user])
    await client.close()
    while user not in (ends := await read_ends(connected, [user])):
        pass
    ended = datetime.fromisoformat(ends[user])
    assert max(abs(since - now), abs(ended - now)) < timedelta(minutes=5)
