"""A change that cuts the shop off: taken back by itself, reported, and not tried again for the same document."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp
import pytest

from gateway.desired_settings import (
    DesiredSettings,
    SettingSource,
    SettingsTrial,
    count_start,
    note_problem,
    read_desired,
    write_desired,
)
from gateway.errors import SettingsError
from gateway.fleet import desired_follower, followed_settings
from gateway.fleet_settings import FleetSettings
from gateway.office.set_up import set_up
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice
from tests.fleet.desired_shop import DesiredShop, for_shop
from tests.forking import Program, start_program
from tests.waiting import until

NODES = 3
NOWHERE = {"settings": {"fleet": {"servers": ["127.0.0.1:1"]}, "video": {"max_streams": 1}}}
SERVERS = "settings.fleet.servers"


@pytest.fixture
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_settings, "TRIAL_S", 0.5)


@pytest.mark.usefixtures("short_trial")
@for_shop(1)
async def test_it_is_taken_back_reported_and_tried_again_only_for_another_revision(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-1", NOWHERE)
    gateway = await shop.restart()
    assert gateway.settings.fleet.servers == ["127.0.0.1:1"]
    gateway = await shop.restart()
    assert gateway.settings.fleet.servers == shop.office.servers
    answers = await shop.settled(shop=revision)
    assert (answers[SERVERS]["outcome"], answers["settings.video.max_streams"]["outcome"]) == ("rolled_back", "applied")
    assert "did not come up within 0.5 s" in answers[SERVERS]["reason"]
    assert gateway.settings.video.max_streams == 1
    await shop.stop()
    await shop.start()
    assert (await shop.settled(shop=revision))[SERVERS]["outcome"] == "rolled_back"
    assert (shop.stored.trial, shop.wants_restart) == (None, False)
    revision = await shop.want("shop.shop-1", NOWHERE)
    gateway = await shop.restart()
    assert gateway.settings.fleet.servers == ["127.0.0.1:1"]
    gateway = await shop.restart()
    assert (await shop.settled(shop=revision))[SERVERS]["outcome"] == "rolled_back"


@pytest.mark.usefixtures("short_trial")
@for_shop(8)
async def test_servers_from_a_backup_that_give_a_revision_again_hide_no_new_wish(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-8", NOWHERE)
    await shop.restart()
    await shop.restart()
    assert (await shop.settled(shop=revision))[SERVERS]["outcome"] == "rolled_back"
    await shop.stop()
    async with shop.office.connect() as office:
        await office.jetstream.delete_stream("KV_desired")
        await set_up(office)
    while await shop.want("chain", {}) < revision - 1:
        pass
    servers = shop.office.servers[:1]
    assert await shop.want("shop.shop-8", {"settings": {"fleet": {"servers": servers}}}) == revision
    monkeypatch.setattr(followed_settings, "TRIAL_S", 600.0)  # a slow machine may take long to connect
    await shop.start()
    gateway = await shop.restart()
    assert gateway.settings.fleet.servers == servers
    assert (await shop.settled(shop=revision))[SERVERS]["outcome"] == "applied"


@for_shop(9)
async def test_one_that_cannot_be_stored_waits_and_says_why(shop: DesiredShop) -> None:
    await shop.start()
    obstacle = shop.state / "head-office-settings.json"
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()  # as a full disk
    revision = await shop.want("shop.shop-9", {"settings": {"video": {"max_streams": 1}}})
    answer = (await shop.answers(shop=revision))["settings.video.max_streams"]
    assert (answer["outcome"], "cannot be written" in answer["reason"]) == ("pending", True)
    obstacle.rmdir()
    gateway = await shop.restart()
    assert gateway.settings.video.max_streams == 1
    assert await shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}


@for_shop(2)
async def test_one_with_which_the_link_comes_up_stays(shop: DesiredShop) -> None:
    await shop.start()
    wanted = {"fleet": {"servers": [shop.office.servers[0]]}, "discovery": {"interfaces": ["lo", "nowhere0"]}}
    revision = await shop.want("shop.shop-2", {"settings": wanted})
    gateway = await shop.restart()
    assert await shop.outcomes(shop=revision) == {
        "settings.fleet.servers": "applied",
        "settings.discovery.interfaces": "applied",
    }
    assert gateway.settings.discovery.interfaces == ["lo", "nowhere0"]
    assert shop.stored.trial is None


@for_shop(3)
async def test_time_and_way_back_outlive_the_process(shop: DesiredShop, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await shop.start()
    good = await shop.want("shop.shop-3", {"settings": {"fleet": {"servers": shop.office.servers[:2]}}})
    gateway = await shop.restart()
    await shop.outcomes(shop=good)
    revision = await shop.want("shop.shop-3", NOWHERE)
    gateway = await shop.restart()
    await until(lambda: shop.stored.trial is not None and shop.stored.trial.since_s is not None)
    trial = shop.stored.trial
    assert trial is not None
    for starts in (2, 3):
        await shop.stop()
        gateway = await shop.start()
        assert shop.stored.trial == trial.model_copy(update={"starts": starts})
    monkeypatch.setattr(followed_settings, "TRIAL_S", gateway.uptime.now() - (trial.since_s or 0) + 0.3)
    gateway = await shop.restart()
    assert gateway.settings.fleet.servers == shop.office.servers[:2]
    assert (await shop.settled(shop=revision))[SERVERS]["outcome"] == "rolled_back"


@for_shop(6)
async def test_one_with_which_the_gateways_own_api_does_not_answer_is_taken_back(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desired_follower, "API_CHECK_S", 0.2)
    await shop.start()
    wanted = {"discovery": {"interfaces": ["lo", "nowhere0"]}, "video": {"max_streams": 1}}
    revision = await shop.want("shop.shop-6", {"settings": wanted})
    shop.serves_at = [f"http://127.0.0.1:{find_free_port()}/"]
    gateway = await shop.restart()
    assert gateway.settings.discovery.interfaces == ["lo", "nowhere0"]
    link = gateway.fleet_link
    assert link is not None
    await until(lambda: link.status().connected_since)
    monkeypatch.setattr(followed_settings, "TRIAL_S", 0.5)  # from here on, so that it is not the link that is slow
    shop.serves_at = None
    gateway = await shop.restart()  # it is connected, and takes it back all the same
    assert gateway.settings.discovery.interfaces == ["lo"]
    answers = await shop.settled(shop=revision)
    outcomes = {part: answer["outcome"] for part, answer in answers.items()}
    assert outcomes == {"settings.discovery.interfaces": "rolled_back", "settings.video.max_streams": "applied"}
    assert "own API did not answer within 0.5 s" in answers["settings.discovery.interfaces"]["reason"]


@for_shop(7)
async def test_what_keeps_tills_out_is_refused(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-7", {"settings": {"server": {"host": "127.0.0.1", "port": "0"}}})
    answers = await shop.settled(shop=revision)
    assert {answer["outcome"] for answer in answers.values()} == {"refused"}
    assert "all tills but those on this machine" in answers["settings.server.host"]["reason"]
    assert "another port after each start" in answers["settings.server.port"]["reason"]
    for host in ("localhost", "::1"):
        revision = await shop.want("shop.shop-7", {"settings": {"server": {"host": host}}})
        assert await shop.outcomes(shop=revision) == {"settings.server.host": "refused"}
    assert (shop.stored.settings, shop.wants_restart) == ({}, False)


@for_shop(4)
async def test_a_gateway_that_does_not_get_through_its_start_goes_back_at_once(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-4", NOWHERE)
    await shop.restart()
    for _ in range(2):
        await shop.stop()
        await shop.start()
    await shop.stop()
    with pytest.raises(SettingsError, match=r"taken back.*fleet\.servers"):
        await shop.start()
    await shop.stop()
    gateway = await shop.start()
    assert (gateway.settings.fleet.servers, gateway.settings.video.max_streams) == (shop.office.servers, 2)
    answers = await shop.settled(shop=revision)
    assert {answer["outcome"] for answer in answers.values()} == {"rolled_back"}
    assert "started 3 times" in answers[SERVERS]["reason"]


def test_why_it_could_not_serve_is_the_reason_that_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "head-office-settings.json"
    trial = SettingsTrial(before={}, sources={"server.port": SettingSource(key="chain", revision=7)})
    write_desired(file, DesiredSettings(settings={"server.port": 80}, trial=trial))
    for number in range(3):
        count_start(file, FleetSettings())
        note_problem(file, FleetSettings(), f"0.0.0.0:80 (server.port): it is taken, for the time number {number}")
    with pytest.raises(SettingsError, match=r"taken back.*server\.port"):
        count_start(file, FleetSettings())
    stored = read_desired(file, FleetSettings())
    assert stored.rolled_back["server.port"].reason.endswith(
        "started 3 times with it and could not serve: 0.0.0.0:80 (server.port): it is taken, for the time number 2"
    )
    note_problem(file, FleetSettings(), "something else")
    assert read_desired(file, FleetSettings()) == stored


class RunningShop:
    """`sunmi-gateway run`, started again whenever it ends, as systemd does."""

    def __init__(self, shop: DesiredShop, trial_s: float, environment: Mapping[str, str]) -> None:
        self.shop = shop
        self.log = shop.file.with_name("gateway.log")
        self.starts = 0
        self.ending = asyncio.Event()
        self._trial_s = trial_s
        self._environment = {"NOTIFY_SOCKET": "@nobody-listens", **environment}
        self._process: Program | None = None

    async def keep_running(self) -> None:
        while not self.ending.is_set():
            self.starts += 1
            with self.log.open("ab") as log:
                self._process = await start_program(
                    *("tests.fleet.impatient_gateway", str(self._trial_s), "--config", str(self.shop.file), "run"),
                    environment=self._environment,
                    stdout=log,
                    stderr=log,
                )
            if self.ending.is_set():
                self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


@contextlib.asynccontextmanager
async def kept_running(
    shop: DesiredShop, trial_s: float, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[RunningShop]:
    running = RunningShop(shop, trial_s, environment)
    task = asyncio.create_task(running.keep_running())
    try:
        yield running
    finally:
        running.ending.set()
        running.kill()
        await task


@pytest.fixture
async def real_shop(office: HeadOffice, tmp_path: Path) -> DesiredShop:
    port = find_free_port()
    return DesiredShop(tmp_path, office, "shop-5", f'[server]\nhost = "127.0.0.1"\nport = {port}\n')


async def is_healthy(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


@pytest.mark.slow
async def test_a_port_that_is_taken_and_kill_9_at_every_step_end_where_it_was(real_shop: DesiredShop) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken, kept_running(real_shop, 2.0) as running:
        revision = await real_shop.want("shop.shop-5", {"settings": {"server": {"port": port}}})
        for _ in range(3):  # while it is read, stored, started with
            expected = running.starts + 1
            await asyncio.sleep(0.5)
            running.kill()
            while running.starts < expected:
                await asyncio.sleep(0.01)
        answers = await real_shop.settled(shop=revision)
        answer = answers["settings.server.port"]
        assert answer["outcome"] == "rolled_back", running.log.read_text()[-3000:]
        assert f"could not serve: cannot listen on 127.0.0.1:{port} " in answer["reason"], answer
        address = real_shop.file.read_text().partition("port = ")[2].split()[0]
        async with aiohttp.ClientSession() as session:
            while not await is_healthy(session, f"http://127.0.0.1:{address}/healthz"):  # it starts once more
                await asyncio.sleep(0.05)
        revision = await real_shop.want("shop.shop-5", {"settings": {"video": {"max_streams": 1}}})
        assert await real_shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}
