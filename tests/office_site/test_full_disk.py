"""A server whose disk is full: the shops of three servers go on, and people are told which one it is."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import inbox_prefix
from gateway.office.office import Office, connect_client
from gateway.office.server_troubles import read_server_troubles
from gateway.office_site.chain_view import ChainView
from tests.fleet.cluster import HeadOffice
from tests.fleet.small_disk import SmallDisk
from tests.office.test_office_commands import Terminal
from tests.office_site.chain import visit
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")

SHOP, COUNT = "shop-1", 50


@pytest.fixture(params=[3])
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[HeadOffice, SmallDisk]]:
    """Give a chain whose first server has a disk of its own."""
    office = HeadOffice(tmp_path, SHOP, nodes=request.param)
    with SmallDisk.mount(office.nodes[0].folder / "jetstream", "64m") as disk:
        office.nodes[0]._begin = disk.begin
        yield office, disk


@pytest.fixture
async def office(small: tuple[HeadOffice, SmallDisk]) -> AsyncIterator[HeadOffice]:
    office, _ = small
    try:
        await office.start()
        yield office
    finally:
        await office.stop()


async def send_events(shop: Client, begin: str) -> None:
    """Send events, each until it is acknowledged."""
    for number in range(COUNT):
        payload = json.dumps({"id": f"{begin}-{number}", "data": {"text": "x" * 2000}}).encode()
        while True:
            try:
                answer = await shop.request(
                    f"fleet.v1.{SHOP}.event.x", payload, timeout=5, headers={"Nats-Msg-Id": f"{SHOP}/{begin}-{number}"}
                )
            except (nats.errors.TimeoutError, nats.errors.NoRespondersError):
                continue  # another server begins to lead the stream
            if "error" not in json.loads(answer.data):
                break


@pytest.mark.parametrize("small", [1], indirect=True)
async def test_a_lone_server_says_that_its_disk_was_full(
    office: HeadOffice, small: tuple[HeadOffice, SmallDisk]
) -> None:
    disk, node = small[1], office.nodes[0]
    async with office.connect() as connected:
        assert await read_server_troubles(connected) == []
        disk.fill()
        while not (troubles := await read_server_troubles(connected)):
            with contextlib.suppress(nats.errors.Error):
                await connected.client.request(f"fleet.v1.{SHOP}.event.x", b"x" * 5000, timeout=0.5)
        assert [(one.server, one.address) for one in troubles] == [(node.name, office.servers[0])]
        assert "see that its disk has room, then start it again" in troubles[0].reason
        disk.clear()
        await node.kill()
        await node.start()
        while await _list_troubles(connected):
            await asyncio.sleep(0.05)
        answer = await connected.client.request(f"fleet.v1.{SHOP}.event.x", b"{}", timeout=30)
        assert "error" not in json.loads(answer.data)


async def _list_troubles(connected: Office) -> Sequence[object]:
    with contextlib.suppress(HeadOfficeUnavailable):
        return await read_server_troubles(connected)
    return ["it does not answer"]


@pytest.mark.slow
async def test_shops_go_on_and_it_is_said_which_server_it_is(
    office: HeadOffice, small: tuple[HeadOffice, SmallDisk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.office.shops.MIN_INTERVAL_S", 0.2)
    monkeypatch.setattr("gateway.office.shops.MAX_SHARE", 1.0)
    disk, node, terminal = small[1], office.nodes[0], Terminal(office.chain.path)
    credentials = load_credentials(CredentialFiles.of(office.settings(SHOP)))
    # The shop is connected to the very server whose disk is full.
    shop = await connect_client([office.servers[0]], credentials, inbox_prefix=inbox_prefix(SHOP))
    async with visit(office) as visitor:
        view: ChainView = visitor.site.view
        await visitor.sign_in()
        token = await view.access.create_token("monitor", "view")
        await send_events(shop, "before")
        await until(lambda: not view.shops.server_troubles)
        assert (
            f'sunmi_office_server_up{{server="{node.name}"}} 1.0' in (await visitor.call("GET", "/metrics", token))[1]
        )
        disk.fill()
        await send_events(shop, "full")
        said = f"{node.name} at {office.servers[0]}: it stores nothing until it is started again: see that its disk has"
        while f"The server {said}" not in (await visitor.get(""))[1]:  # it may be silent before
            await asyncio.sleep(0.05)
        _, listed = await visitor.call("GET", "/api/v1/shops", token)
        (trouble,) = listed["servers"]["troubles"]
        assert (trouble["server"], trouble["address"]) == (node.name, office.servers[0])
        metrics = (await visitor.call("GET", "/metrics", token))[1]
        assert f'sunmi_office_server_up{{server="{node.name}"}} 0.0' in metrics
        assert metrics.count('sunmi_office_server_up{server="') == 3
        while f"the server {said}" not in (await terminal.run("shops"))[2]:
            pass  # what that server has led may have no leader for a moment
        disk.clear()
        await node.kill()
        await node.start()
        await until(lambda: not view.shops.server_troubles and view.shops.servers == 3)
        await send_events(shop, "after")
        async with office.client() as client:
            assert (await client.jetstream(timeout=30).stream_info("events")).state.messages == 3 * COUNT
    await shop.close()
