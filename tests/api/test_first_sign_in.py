"""The first sign-in without a command line: what the attached screen shows, and for how long."""

import stat
from pathlib import Path

import aiohttp
import pytest

from gateway.access.pairing import VALID_S, PairingCodes
from gateway.api.first_sign_in import RENEW_BEFORE_S, FirstSignIn
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.errors import InvalidRequest
from gateway.runtime.systemd import PAIRING_CODE_FILE
from tests.manual_clock import ManualClock
from tests.waiting import until


class Screen:
    """An attached screen, whose login prompt shows a file."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / "issue.d" / "sunmi-gateway.issue"
        self.file.parent.mkdir(parents=True)

    @property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8") if self.file.exists() else ""

    @property
    def code(self) -> str:
        [code] = [line.strip() for line in self.text.splitlines() if line[8:9] == "-"]
        return code


@pytest.fixture
def screen(tmp_path: Path) -> Screen:
    return Screen(tmp_path / "run")


async def test_the_code_on_the_screen_signs_in_and_then_leaves_it(gateway: Gateway, screen: Screen) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    first = FirstSignIn(gateway, run_directory=screen.run)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http, first:
        await until(lambda: screen.text)
        text = screen.text
        assert f"{urls[0]}console/" in text
        assert "type the code" in text
        assert "配对码" in text
        assert stat.S_IMODE(screen.file.stat().st_mode) == 0o600
        async with http.post(f"{urls[0]}console/sign-in", data={"code": screen.code}) as response:
            assert response.status == 200
        [session] = gateway.tokens.all()
        assert (session.is_session, session.scopes) == (True, ("admin",))
        await first.update()
        assert not screen.file.exists()


async def test_a_code_that_was_on_the_boot_partition_is_good_once_and_only_for_minutes(
    gateway: Gateway, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    gateway.pairing = PairingCodes(clock)
    file = tmp_path / PAIRING_CODE_FILE
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    for wait_s, is_good in ((VALID_S - 1, True), (VALID_S + 1, False)):
        file.write_text("4711SHOP")
        async with FirstSignIn(gateway, run_directory=screen.run):
            assert not file.exists()
            clock.now_s += wait_s
            if is_good:
                assert gateway.pairing.exchange("4711-shop", "192.0.2.1").scopes == ("admin",)
            with pytest.raises(InvalidRequest):
                gateway.pairing.exchange("4711-shop", "192.0.2.1")


async def test_it_is_renewed_before_it_expires(gateway: Gateway, screen: Screen) -> None:
    clock = ManualClock()
    gateway.pairing = PairingCodes(clock)
    first = FirstSignIn(gateway, run_directory=screen.run)
    await first.update()
    code = screen.code
    clock.now_s += VALID_S - RENEW_BEFORE_S - 1
    await first.update()
    assert screen.code == code
    clock.now_s += 2
    await first.update()
    assert screen.code != code
    assert gateway.pairing.exchange(code, "192.168.1.7")  # somebody was typing it


async def test_a_token_made_elsewhere_ends_it(gateway: Gateway, screen: Screen) -> None:
    first = FirstSignIn(gateway, run_directory=screen.run)
    await first.update()
    code = screen.code
    await gateway.tokens.create("till 1", "pos")
    await first.update()
    assert not screen.file.exists()
    with pytest.raises(InvalidRequest):
        gateway.pairing.exchange(code, "192.168.1.7")


async def test_the_code_of_a_gateway_that_was_killed_is_removed(gateway: Gateway, screen: Screen) -> None:
    screen.file.write_text("    ABCD-EFGH\n")
    await gateway.tokens.create("till 1", "pos")
    async with FirstSignIn(gateway, run_directory=screen.run):
        await until(lambda: not screen.file.exists())


async def test_it_is_removed_at_the_end(gateway: Gateway, screen: Screen) -> None:
    async with FirstSignIn(gateway, run_directory=screen.run):
        await until(lambda: screen.text)
    assert not screen.file.exists()


async def test_the_prompt_is_told_to_show_it_again(gateway: Gateway, screen: Screen) -> None:
    reload = screen.run / "agetty.reload"
    reload.touch()
    touched = [reload.stat().st_mtime_ns]
    first = FirstSignIn(gateway, run_directory=screen.run)
    for _ in range(2):
        await first.update()
        touched.append(reload.stat().st_mtime_ns)
    assert touched[0] < touched[1] == touched[2]


@pytest.mark.parametrize("folder", ["missing", "a link"])
async def test_where_no_prompt_shows_files_nothing_is_written(gateway: Gateway, screen: Screen, folder: str) -> None:
    if folder == "missing":
        screen.file.parent.rmdir()
        async with FirstSignIn(gateway, run_directory=screen.run):
            assert "first sign-in" not in {one.name for one in gateway.supervisor.reports()}
    else:
        other = screen.run / "other"
        other.write_text("another program's")
        screen.file.symlink_to(other)
        async with FirstSignIn(gateway, run_directory=screen.run):
            reports = gateway.supervisor.reports
            await until(lambda: any(one.name == "first sign-in" and one.state == "failing" for one in reports()))
        assert other.read_text() == "another program's"
