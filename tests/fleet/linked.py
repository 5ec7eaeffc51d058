"""A gateway in a simulated store that is linked to a head office."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.api.fleet_actions import FleetActions
from gateway.app import Gateway
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings, load_settings
from gateway.simulator.store import SimulatedStore
from tests.waiting import until


def make_settings(folder: Path, store: SimulatedStore, fleet: FleetSettings) -> Settings:
    """Return settings of a gateway with its state in `folder`."""
    folder.mkdir(exist_ok=True)
    file = folder / "gateway.toml"
    rest = f'\n[storage]\ndirectory = "{folder}/state"\n[server]\nhost = "127.0.0.1"\nport = 0\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    return load_settings(file).model_copy(update={"fleet": fleet})


@asynccontextmanager
async def linked_gateway(folder: Path, store: SimulatedStore, fleet: FleetSettings) -> AsyncIterator[Gateway]:
    """Run a gateway with its state in `folder`, connected to the head office."""
    settings = make_settings(folder, store, fleet)
    gateway = await Gateway.open(
        settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05), settings_file=folder / "gateway.toml"
    )
    try:
        await gateway.start(port=1, https_port=0)
        gateway.start_fleet_link(FleetActions(gateway))
        link = gateway.fleet_link
        assert link is not None
        await until(lambda: link.status().connected_since)
        yield gateway
    finally:
        await gateway.close()
