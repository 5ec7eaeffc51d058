"""Roll-outs by head offices whose clocks are wrong, and jump while they work."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.office.office import Office
from gateway.office.rollout_documents import ACTIVE, Rollout
from gateway.office.rollouts import RolloutStore
from gateway.office.shops import load_shop
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice
from tests.fleet.desired_shop import DesiredShop
from tests.fleet.test_rollback import kept_running
from tests.office.simulated_shop import put_record, read_public_key, simulate_shops
from tests.office.test_two_offices import OfficeMachine, copy_folder
from tests.system_clock import SystemClock, needs_faketime

WAIT_S = 4.0
TRIAL_S = 4.0
FAR = timedelta(days=400)


@needs_faketime
@pytest.mark.slow
async def test_waves_end_in_time_whatever_the_clocks_of_two_offices_say(office: HeadOffice, tmp_path: Path) -> None:
    """One is ahead and one behind; both jump to the other side within a wave, in which a shop is silent."""
    now = datetime.now(UTC)
    clocks = [SystemClock(tmp_path / f"clock-{sign}", now + sign * FAR) for sign in (1, -1)]
    folders = [office.chain.path, copy_folder(office, tmp_path)]
    machines = [OfficeMachine(folder, clock) for folder, clock in zip(folders, clocks, strict=True)]
    names = {f"clock-{number}": ("first",) if number < 2 else () for number in range(5)}
    async with office.connect() as connected, simulate_shops(office, connected, tmp_path, names) as shops:
        shops["clock-0"].silent = True
        for machine in machines:
            await machine.serve()
        try:
            options = ("--all", "--waves", "first,100", "--wait", f"{WAIT_S:g}", "--stop-at", "90%")
            command = await machines[0].begin("set", "discovery.interval_s=41", *options)
            told = await wait_until(connected, lambda one: one.is_told)
            begun = time.monotonic()
            late = await connected.read_time() - datetime.fromisoformat(told.began)
            assert (told.wave, abs(late) < FAR / 2) == (0, True)
            for sign, clock in zip((-1, 1), clocks, strict=True):
                clock.jump_to(now + sign * FAR)
            command.kill()
            await command.wait()
            await wait_until(connected, lambda one: one.wave == 1 or one.state not in ACTIVE)
            assert time.monotonic() - begun > WAIT_S / 2
            shops["clock-0"].silent = False
            done = await wait_until(connected, lambda one: one.state not in ACTIVE)
            assert (done.state, done.outcomes) == ("done", {"applied": 5})
        finally:
            for machine in machines:
                await machine.kill()


@needs_faketime
@pytest.mark.slow
async def test_an_office_ahead_and_a_shop_behind_whose_clock_jumps(office: HeadOffice, tmp_path: Path) -> None:
    """Settings, commands and a change that cuts the shop off, which is taken back neither at once nor never."""
    now = datetime.now(UTC)
    ahead, clock = (SystemClock(tmp_path / f"clock-{sign}", now + sign * FAR) for sign in (1, -1))
    port = find_free_port()
    shop = DesiredShop(tmp_path, office, "shop-3", f'[server]\nhost = "127.0.0.1"\nport = {port}\n')
    shop.file.write_text(shop.file.read_text() + 'may = ["doctor"]\n')
    machine = OfficeMachine(office.chain.path, ahead)
    async with office.connect() as connected, kept_running(shop, TRIAL_S, clock.environment):
        key = read_public_key(office.settings("shop-3").private_key)
        await put_record(connected, "shop-3", state="joined", public_key=key)
        while (await load_shop(connected, "shop-3"))["health"] == "away":
            await asyncio.sleep(0.1)
        for words in (
            ("set", "video.max_streams=1", "--shop", "shop-3", "--waves", "100", "--wait", "300"),
            ("run", "doctor", "--shop", "shop-3", "--deadline", "300"),
        ):
            status, output, errors = await machine.run(*words)
            assert status == 0, output + errors
        revision = await shop.want("shop.shop-3", {"settings": {"fleet": {"servers": ["127.0.0.1:9"]}}})
        while shop.stored.trial is None or shop.stored.trial.since_s is None:
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        clock.jump_to(now + FAR)
        await asyncio.sleep(TRIAL_S / 4)
        clock.jump_to(now - FAR)
        answers = await shop.settled(shop=revision)
        assert answers["settings.fleet.servers"]["outcome"] == "rolled_back"
        assert time.monotonic() - begun > TRIAL_S / 2


async def wait_until(office: Office, condition: Callable[[Rollout], bool]) -> Rollout:
    """Return the roll-out as soon as something holds of it."""
    while True:
        for one in await RolloutStore(office).list_all():
            if condition(one):
                return one
        await asyncio.sleep(0.05)
