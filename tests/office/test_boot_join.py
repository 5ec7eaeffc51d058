"""First boot without a keyboard: a join code on the boot partition brings a gateway into its chain."""

import asyncio
import gc
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.api.server import serve_commands
from gateway.app import Gateway
from gateway.boot_settings import LOG_FILE, take_boot_settings
from gateway.changed_settings import load_all_settings
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.errors import SettingsError
from gateway.fleet.join_code import JoinCode
from gateway.fleet.pending_join import PendingJoin
from gateway.office.enrolment import Enrolment
from gateway.office.join import JoinService
from gateway.office.nkey import KeyKind, encode_public_key
from gateway.office.office import Office
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice
from tests.forking import Program, start_program
from tests.office.test_enrolment import read_record, serve
from tests.waiting import until

ROUNDS = 20 if os.environ.get("FULL_PROOFS") == "1" else 3


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        yield connected


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(initial_delay_s=0.01, max_delay_s=0.05)
    yield supervisor
    await supervisor.close()


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    (tmp_path / "boot").mkdir()
    return tmp_path / "boot"


def prepare(boot: Path, code: str, *lines: str) -> Path:
    """Put a file with a join code on the boot partition; return the settings file that it will become."""
    state = boot.with_name("state")
    text = [f'join_code = "{code}"', *lines, f'[storage]\ndirectory = "{state}"', '[discovery]\ninterfaces = ["lo"]']
    (boot / "sunmi-gateway.toml").write_text("\n".join(text))
    return boot.with_name("gateway.toml")


def read_log(boot: Path) -> str:
    return (boot / LOG_FILE).read_bytes().decode("utf-8-sig")


async def test_it_joins_when_the_head_office_is_there_again(
    office: HeadOffice, connected: Office, boot: Path, supervisor: Supervisor
) -> None:
    code = str(await Enrolment(connected).enrol("boot-1"))
    settings_file = prepare(boot, code)
    done = take_boot_settings([boot], settings_file)
    assert done is not None
    assert (done.joins_as, "as boot-1" in read_log(boot)) == ("boot-1", True)
    assert os.listdir(boot) == [LOG_FILE]
    assert "join_code" not in settings_file.read_text()
    state = load_all_settings(settings_file).settings.state_directory
    assert (state / "join-code").stat().st_mode & 0o777 == 0o600
    joined = asyncio.Event()
    PendingJoin(state, supervisor, joined.set).start()

    def report() -> tuple[str, str]:
        [one] = [one for one in supervisor.reports() if one.name == "joining the chain"]
        return one.state, one.last_failure or ""

    await until(lambda: report()[0] == "failing")
    assert "cannot be reached, so the shop has not joined" in report()[1]
    async with serve(JoinService(connected).make_app(), office.chain, office.chain.plan.join_address.port):
        await joined.wait()
    assert load_all_settings(settings_file).settings.fleet.shop == "boot-1"
    assert not (state / "join-code").exists()
    assert not list(state.glob("joining-*"))
    # A partition that is read-only has the file again at the next start: that is no second shop.
    prepare(boot, code)
    take_boot_settings([boot], settings_file)
    again = Supervisor()
    PendingJoin(state, again, joined.clear).start()
    await until(lambda: not (state / "join-code").exists())
    await again.close()
    assert joined.is_set()


async def test_a_code_that_is_refused_is_said_and_not_asked_again(
    office: HeadOffice,
    connected: Office,
    boot: Path,
    supervisor: Supervisor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    code = await Enrolment(connected).enrol("boot-2")
    await Enrolment(connected).enrol("boot-2", again=True)
    settings_file = prepare(boot, str(code))
    take_boot_settings([boot], settings_file)
    state = boot.with_name("state")
    async with serve(JoinService(connected).make_app(), office.chain, office.chain.plan.join_address.port):
        PendingJoin(state, supervisor, lambda: None).start()
        await until(lambda: "refuses shop boot-2" in str(supervisor.reports()))
        await until(lambda: max(one.failures for one in supervisor.reports()) > 3)
        before = count_tracebacks()
        await until(lambda: max(one.failures for one in supervisor.reports()) > 50)
    assert count_tracebacks() - before < 40, "each failure takes memory, for as long as the gateway runs"
    assert caplog.text.count("boot-2 wants to join from") == 1
    assert (state / "join-code").exists()


def count_tracebacks() -> int:
    gc.collect()
    return sum(isinstance(one, TracebackType) for one in gc.get_objects())


async def test_the_service_starts_again_as_a_shop_of_the_chain(
    office: HeadOffice, connected: Office, boot: Path
) -> None:
    """The whole way in processes: take-settings as the unit runs it, then the service, which ends to be restarted."""
    code = str(await Enrolment(connected).enrol("boot-3"))
    settings_file = prepare(boot, code, f'[server]\nhost = "127.0.0.1"\nport = {find_free_port()}')
    environment = {"SUNMI_GATEWAY_CONFIG": str(settings_file)}
    take = await start_program("gateway", "take-settings", str(boot), environment=environment)
    _, errors = await take.communicate()
    assert b"joins its chain as boot-3" in errors
    async with serve(JoinService(connected).make_app(), office.chain, office.chain.plan.join_address.port):
        run = await start_program("gateway", "run", environment=environment)
        while not (boot.with_name("state") / "fleet.toml").exists():
            await asyncio.sleep(0.05)
        run.terminate()
        await run.communicate()
        # Enrolled again, a shop of the chain joins anew: the head office does not let it in with what it has.
        key = (boot.with_name("state") / "fleet-shop.key").read_bytes()
        again = await Enrolment(connected).enrol("boot-3", again=True)
        (boot / "sunmi-gateway.toml").write_text(f'join_code = "{again}"\n')
        take_boot_settings([boot], settings_file)
        run = await start_program("gateway", "run", environment=environment)
        while (boot.with_name("state") / "join-code").exists():
            await asyncio.sleep(0.05)
        run.terminate()
        await run.communicate()
        assert (boot.with_name("state") / "fleet-shop.key").read_bytes() != key
    status = await start_program("gateway", "fleet", "status", "--json", environment=environment)
    output, _ = await status.communicate()
    assert json.loads(output)["shop"] == "boot-3"


@pytest.mark.slow
async def test_kill_9_while_the_head_office_answers_uses_up_no_code(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    """Each time the service dies at a random moment around the answer, and is a shop of the chain after its restart."""
    choose, killed = random.Random(), 0
    victims: list[Program] = []

    @web.middleware
    async def kill(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_last = request.method == "POST"
        victim = victims.pop() if victims and (is_last or choose.random() < 0.2) else None
        moment = choose.choice(("asked", "let in", "answered"))
        if victim is not None and moment == "asked":
            victim.kill()
        response = await handler(request)
        if victim is not None and moment == "let in":
            victim.kill()
        if victim is not None and moment == "answered":
            asyncio.get_running_loop().call_later(choose.uniform(0, 0.05), victim.kill)
        return response

    app = JoinService(connected).make_app()
    app.middlewares.append(kill)
    async with serve(app, office.chain, office.chain.plan.join_address.port):
        for number in range(ROUNDS):
            boot = tmp_path / str(number) / "boot"
            boot.mkdir(parents=True)
            shop, state = f"boot-kill-{number}", boot.with_name("state")
            code = str(await Enrolment(connected).enrol(shop))
            settings_file = prepare(boot, code, f'[server]\nhost = "127.0.0.1"\nport = {find_free_port()}')
            take_boot_settings([boot], settings_file)
            environment = {"SUNMI_GATEWAY_CONFIG": str(settings_file)}
            run = await start_program("gateway", "run", environment=environment)
            victims.append(run)
            await run.communicate()
            killed += run.returncode == -signal.SIGKILL
            assert load_all_settings(settings_file).settings.fleet.shop in ("", shop)
            run = await start_program("gateway", "run", environment=environment)
            while (state / "join-code").exists():
                await asyncio.sleep(0.05)
            run.terminate()
            await run.communicate()
            assert load_all_settings(settings_file).settings.fleet.shop == shop
            key = load_pem_private_key((state / "fleet-shop.key").read_bytes(), None)
            assert isinstance(key, Ed25519PrivateKey)
            user = encode_public_key(KeyKind.U, key.public_key().public_bytes_raw())
            record = await read_record(connected, shop)
            assert (record.state, record.public_key) == ("joined", user)
    assert killed


async def test_a_join_that_fails_is_named_by_status_and_doctor(
    office: HeadOffice, connected: Office, boot: Path
) -> None:
    """The head office lets nobody join meanwhile."""
    settings_file = prepare(boot, str(await Enrolment(connected).enrol("boot-6")))
    take_boot_settings([boot], settings_file)
    environment = {"SUNMI_GATEWAY_CONFIG": str(settings_file)}

    async def show(*words: str) -> str:
        status = await start_program("gateway", "fleet", "status", *words, environment=environment)
        output, errors = await status.communicate()
        assert status.returncode == 0, errors
        return output.decode()

    assert "has a join code, and has not joined its chain yet: the gateway does not run" in await show()
    settings = load_all_settings(settings_file).settings
    gateway = await Gateway.open(settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05))
    try:
        async with serve_commands(gateway):
            PendingJoin(gateway.directory.path, gateway.supervisor, lambda: None).start()
            while "cannot be reached" not in (json.loads(await show("--json"))["pending_join"] or ""):
                pass
            text = await show()
        assert "has not joined its chain yet: the head office at" in text
        assert "belongs to no chain" not in text
        checks = [check for check in CHECKS if check.name == "head_office"]
        [finding] = await run_checks(CheckContext(settings, gateway), checks)
        assert (finding.status, "cannot be reached" in finding.what) == ("failed", True)
        assert "office serve" in finding.what_to_do
    finally:
        await gateway.close()


async def test_a_head_office_with_a_name_in_chinese_is_asked(boot: Path, supervisor: Supervisor) -> None:
    code = JoinCode("\u603b\u90e8.invalid", 7443, "boot-7", bytes(16), bytes(16))
    settings_file = prepare(boot, str(code))
    take_boot_settings([boot], settings_file)
    PendingJoin(boot.with_name("state"), supervisor, lambda: None).start()
    await until(lambda: "\u603b\u90e8.invalid:7443 cannot be reached" in (supervisor.reports()[0].last_failure or ""))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('join_code = "a.example:7443/shop/AAAA"', "join_code: a letter is wrong or missing"),
        ("join_code = 7", "join_code: it must look as"),
    ],
)
def test_a_wrong_join_code_takes_nothing(boot: Path, line: str, reason: str) -> None:
    (boot / "sunmi-gateway.toml").write_text(line)
    with pytest.raises(SettingsError, match=reason):
        take_boot_settings([boot], boot.with_name("gateway.toml"))
    assert reason in read_log(boot)
    assert (boot / "sunmi-gateway.toml").exists()
    assert not boot.with_name("gateway.toml").exists()


async def test_a_code_and_servers_are_one_too_many(connected: Office, office: HeadOffice, boot: Path) -> None:
    code = str(await Enrolment(connected).enrol("boot-4"))
    settings_file = prepare(boot, code, office.section("shop-1"))
    with pytest.raises(SettingsError, match=r"join_code and servers in \[fleet\]"):
        take_boot_settings([boot], settings_file)


async def test_a_file_with_nothing_but_a_join_code_leaves_the_settings(connected: Office, boot: Path) -> None:
    settings_file, state = boot.with_name("gateway.toml"), boot.with_name("elsewhere")
    settings_file.write_text(f'[storage]\ndirectory = "{state}"\n')
    before = settings_file.read_text()
    (boot / "sunmi-gateway.toml").write_text(f'join_code = "{await Enrolment(connected).enrol("boot-5")}"\n')
    take_boot_settings([boot], settings_file)
    assert settings_file.read_text() == before
    assert (state / "join-code").exists()
