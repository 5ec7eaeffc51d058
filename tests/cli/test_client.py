"""Commands on a system without Unix sockets."""

from pathlib import Path

import pytest

from gateway.api import server
from gateway.app import Gateway
from gateway.cli import client
from gateway.errors import StateError
from gateway.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (server, client):
        monkeypatch.setattr(module, "HAS_UNIX_SOCKETS", False)
    return Settings.model_validate(
        {
            "storage": {"directory": str(tmp_path / "state")},
            "server": {"host": "127.0.0.1", "port": 0},
            "discovery": {"interfaces": ["lo"], "interval_s": 0},
        }
    )


async def test_a_command_works_by_itself(settings: Settings) -> None:
    async with client.connect_api(settings) as api:
        assert (await api.get("tokens")) == {"tokens": []}


async def test_a_running_gateway_is_named(settings: Settings) -> None:
    gateway = await Gateway.open(settings)
    try:
        async with server.serve(gateway) as urls:
            with pytest.raises(StateError, match=urls[0]):
                async with client.connect_api(settings):
                    pass
    finally:
        await gateway.close()
