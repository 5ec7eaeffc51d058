"""A simulated store, its settings, and a gateway with them; and one look of the doctor as findings by check."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.doctor import certificates, cloud
from gateway.doctor.check import Check, CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.settings import Settings, load_settings
from gateway.simulator.store import SimulatedStore

MakeSettings = Callable[..., Settings]


class Doctor:
    """Makes some of the checks, by name."""

    def __init__(self, settings: Settings, gateway: Gateway | None = None) -> None:
        self.settings = settings
        self.gateway = gateway

    async def __call__(self, *names: str) -> dict[str, list[Finding]]:
        chosen: list[Check] = [check for check in CHECKS if check.name in names]
        assert len(chosen) == len(names)
        found = await run_checks(CheckContext(self.settings, self.gateway), chosen)
        return {name: [one for one in found if one.check == name] for name in names}

    async def one(self, name: str) -> Finding:
        """Return the only finding of a check."""
        [found] = (await self(name))[name]
        return found


@pytest.fixture(autouse=True)
def clock_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the release be long ago: then this machine's clock was set, whatever it says."""
    for module in (certificates, cloud):
        monkeypatch.setattr(module, "RELEASED_AT", 0.0)


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=2) as simulated:
        yield simulated


@pytest.fixture
def make_settings(store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Make settings for the store; keys are changed by section and name, as `cloud__shop_id`."""

    def make(**changed: Any) -> Settings:
        for name, value in changed.items():
            monkeypatch.setenv(f"SUNMI_GATEWAY__{name.upper()}", str(value))
        file = tmp_path / "gateway.toml"
        rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
        file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
        file.chmod(0o600)
        return load_settings(file)

    return make


@pytest.fixture
async def gateway(make_settings: MakeSettings) -> AsyncIterator[Gateway]:
    opened = await Gateway.open(make_settings())
    yield opened
    await opened.close()


@pytest.fixture
def doctor(make_settings: MakeSettings) -> Doctor:
    """Return a doctor who has the settings alone."""
    return Doctor(make_settings())


@pytest.fixture
def resident(gateway: Gateway) -> Doctor:
    """Return a doctor inside a gateway."""
    return Doctor(gateway.settings, gateway)


@pytest.fixture
def with_settings(make_settings: MakeSettings) -> Callable[..., Doctor]:
    """Return what makes doctors with changed settings."""
    return lambda **changed: Doctor(make_settings(**changed))
