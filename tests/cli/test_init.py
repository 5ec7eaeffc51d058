"""The command `init`: it prompts, verifies the answers with the cloud, and writes the settings file."""

import asyncio
import json
import os
import pty
import socket
import stat
import termios
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import load_settings
from gateway.simulator.account import SECRET_KEY
from gateway.simulator.store import SimulatedStore
from tests.forking import start_program

MODE = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


class Installer:
    """Runs `init` for a store, whose cloud the environment names."""

    def __init__(self, config: Path, environment: dict[str, str]) -> None:
        self.config = config
        self.environment = environment

    async def __call__(self, *words: str, given: str = "", **environment: str) -> tuple[int, str, str]:
        process = await start_program(
            *("gateway", "--config", str(self.config), "init", *words),
            environment=self.environment | environment,
            stdin=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(given.encode())
        return process.returncode or 0, output.decode(), errors.decode()

    async def at_terminal(self, *answers: tuple[str, str]) -> tuple[int, str]:
        """Answer each question, known by a word of it, once it is asked; return status and all that was shown."""
        outside, inside = pty.openpty()
        process = await start_program(
            *("gateway", "--config", str(self.config), "init"),
            environment=self.environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            new_session=True,
        )
        os.close(inside)
        loop = asyncio.get_running_loop()
        shown = ""

        async def until(word: str) -> None:
            nonlocal shown
            begin = len(shown)
            while word not in shown[begin:]:
                shown += (await loop.run_in_executor(None, os.read, outside, 4096)).decode()

        for question, answer in answers:
            await until(question)
            if "Secret" in question:
                await echo_is_off(outside)
            os.write(outside, f"{answer}\n".encode())
        try:
            while True:
                shown += (await loop.run_in_executor(None, os.read, outside, 4096)).decode()
        except OSError:  # the other side is closed
            pass
        status = await process.wait()
        os.close(outside)
        return status, shown


async def echo_is_off(terminal: int) -> None:
    """Wait until the terminal does not echo."""
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        await asyncio.sleep(0.01)


@pytest.fixture
def init(store: SimulatedStore, tmp_path: Path) -> Installer:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(store.cloud.ca_pem)
    environment = {
        "SUNMI_GATEWAY__CLOUD__BASE_URL": store.cloud.base_url,
        "SUNMI_GATEWAY__CLOUD__CA_FILE": str(ca_file),
    }
    return Installer(tmp_path / "made" / "gateway.toml", environment)


def options(store: SimulatedStore, **changed: str) -> list[str]:
    given = {"environment": "uat", "app-id": store.app_id, "secret-file": "-", "shop-id": store.shop_id} | changed
    return [word for name, value in given.items() for word in (f"--{name}", value)]


async def test_options_make_a_file_that_the_gateway_reads(store: SimulatedStore, init: Installer) -> None:
    status, output, errors = await init(*options(store), "--no-input", "--json", given=f"{SECRET_KEY}\n")
    assert status == 0, errors
    assert json.loads(output) == {
        "settings": str(init.config), "environment": "uat", "app_id": store.app_id, "shop_id": store.shop_id,
        "checked": True,
    }  # fmt: skip
    assert stat.S_IMODE(init.config.stat().st_mode) == 0o600
    cloud = load_settings(init.config).cloud
    assert (cloud.environment, cloud.app_id, cloud.secret_key) == ("uat", store.app_id, SECRET_KEY)
    assert SECRET_KEY not in output + errors
    assert [call.path for call in store.cloud.accepted] == ["device/ipc/getList"]
    assert list(init.config.parent.iterdir()) == [init.config]


async def test_the_secret_may_come_from_the_environment(store: SimulatedStore, init: Installer) -> None:
    words = options(store)
    del words[words.index("--secret-file") : words.index("--secret-file") + 2]
    status, _, errors = await init(*words, SUNMI_GATEWAY__CLOUD__SECRET_KEY=SECRET_KEY)
    assert status == 0, errors
    assert tomllib.loads(init.config.read_text())["cloud"]["secret_key"] == SECRET_KEY


@pytest.mark.parametrize("missing", ["--environment", "--app-id", "--secret-file", "--shop-id"])
async def test_what_is_missing_is_named_and_nothing_written(
    store: SimulatedStore, init: Installer, missing: str
) -> None:
    words = options(store)
    del words[words.index(missing) : words.index(missing) + 2]
    status, _, errors = await init(*words, "--no-input", given=SECRET_KEY)
    assert (status, errors.count("\n")) == (1, 1)
    assert f"{missing} is missing" in errors
    assert not init.config.exists()


@pytest.mark.parametrize(
    ("changed", "secret", "reason"),
    [
        ({}, "not-the-secret", "app_id or secret key are wrong"),
        ({"app-id": "NOBODY"}, SECRET_KEY, "app_id or secret key are wrong"),
        ({"shop-id": "99999"}, SECRET_KEY, "shop_id 99999"),
    ],
)
async def test_what_the_cloud_refuses_is_not_written(
    store: SimulatedStore, init: Installer, changed: dict[str, str], secret: str, reason: str
) -> None:
    status, _, errors = await init(*options(store, **changed), given=secret)
    assert status == 1
    assert reason in errors
    assert secret not in errors
    assert not init.config.exists()


async def test_unchecked_settings_are_written_only_with_the_option(store: SimulatedStore, init: Installer) -> None:
    await store.cloud.stop()
    status, _, errors = await init(*options(store), given=SECRET_KEY)
    assert status == 1
    assert "cannot be checked" in errors
    assert "--unchecked" in errors
    assert not init.config.exists()
    status, output, errors = await init(*options(store), "--unchecked", "--json", given=SECRET_KEY)
    assert status == 0, errors
    assert json.loads(output)["checked"] is False
    assert "doctor" in errors
    assert init.config.exists()


async def test_an_existing_file_is_changed_only_with_the_option_and_keeps_its_other_keys(
    store: SimulatedStore, init: Installer
) -> None:
    init.config.parent.mkdir()
    before = '# ports of the shop\n[server]\nport = 80 # tills\n\n[cloud]\nsecret_key_file = "/nowhere"\n# the end\n'
    init.config.write_text(before)
    init.config.chmod(0o644)
    status, _, errors = await init(*options(store), given=SECRET_KEY)
    assert status == 1
    assert "--overwrite" in errors
    assert init.config.read_text() == before
    status, _, errors = await init(*options(store), "--overwrite", given=SECRET_KEY)
    assert status == 0, errors
    text = init.config.read_text()
    assert "# ports of the shop" in text
    assert "port = 80 # tills" in text
    assert "secret_key_file" not in text
    assert load_settings(init.config).cloud.secret_key == SECRET_KEY
    assert stat.S_IMODE(init.config.stat().st_mode) == 0o640  # the service's group may read it still, nobody else


async def test_a_person_is_asked_again_for_what_was_wrong(store: SimulatedStore, init: Installer) -> None:
    status, shown = await init.at_terminal(
        ("Environment", "nonsense"),
        ("Environment", "release"),
        ("app_id", store.app_id),
        ("Secret", "wrong-secret"),
        ("app_id of", store.app_id),
        ("Secret", SECRET_KEY),
        ("shop_id of", "99999"),
        ("shop_id of", store.shop_id),
    )
    assert status == 0, shown
    assert "app_id or secret key are wrong" in shown
    assert "shop_id 99999" in shown
    assert "wrong-secret" not in shown
    assert SECRET_KEY not in shown
    cloud = load_settings(init.config).cloud
    assert (cloud.environment, cloud.secret_key, cloud.shop_id) == ("release", SECRET_KEY, store.shop_id)


async def test_a_person_keeps_the_present_secret(store: SimulatedStore, init: Installer) -> None:
    init.config.parent.mkdir()
    init.config.write_text(f'[cloud]\napp_id = "{store.app_id}"\nsecret_key = "{SECRET_KEY}"\n')
    status, shown = await init.at_terminal(
        ("exists", "y"), ("Environment", "uat"), ("app_id", ""), ("Secret", ""), ("shop_id", store.shop_id)
    )
    assert status == 0, shown
    assert load_settings(init.config).cloud.secret_key == SECRET_KEY
    assert SECRET_KEY not in shown


async def test_an_unusable_file_is_named(init: Installer, store: SimulatedStore) -> None:
    init.config.parent.mkdir()
    init.config.write_text("[cloud\n")
    status, _, errors = await init(*options(store), "--overwrite", given=SECRET_KEY)
    assert (status, errors.count("\n")) == (1, 1)
    assert str(init.config) in errors


async def test_a_cloud_that_never_responds_does_not_hang_it(init: Installer, store: SimulatedStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url: dict[str, Any] = {"SUNMI_GATEWAY__CLOUD__BASE_URL": f"https://127.0.0.1:{silent.getsockname()[1]}"}
        status, _, errors = await init(*options(store), given=SECRET_KEY, **url)
    assert status == 1
    assert "cannot be checked" in errors
