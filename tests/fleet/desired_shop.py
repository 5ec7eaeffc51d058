"""A shop that follows its head office, whose gateway is started again when it asks for that."""

import asyncio
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.api.fleet_actions import FleetActions
from gateway.api.local_socket import request_health_at
from gateway.app import Gateway
from gateway.changed_settings import load_all_settings
from gateway.desired_settings import DesiredSettings, count_start, read_desired
from gateway.office.content import ContentStore
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice


def for_shop(number: int, more: str = "") -> pytest.MarkDecorator:
    """Let the fixture `shop` be one of the head office, with more in its settings file."""
    return pytest.mark.parametrize("shop", [pytest.param((f"shop-{number}", more), id=f"shop-{number}")], indirect=True)


class DesiredShop:
    """A gateway with its settings in files, as the command that runs it would start it."""

    def __init__(self, folder: Path, office: HeadOffice, shop: str, more: str = "") -> None:
        self.office = office
        self.file = folder / "gateway.toml"
        self.state = folder / "state"
        self.state.mkdir()
        self._more = more
        self.become(shop)
        self.restarts: bool = True
        """Whether something starts the gateway again."""
        self.serves_at: list[str] | None = None
        """Where tills would reach the gateway; None if it serves none."""
        self._gateway: Gateway | None = None
        self._restart = asyncio.Event()

    def become(self, shop: str) -> None:
        """Name another shop in the settings file, on the same state directory."""
        self.name = shop
        self.file.write_text(
            f'[storage]\ndirectory = "{self.state}"\n[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\n'
            f"{self._more}{self.office.section(shop)}"
        )

    @property
    def gateway(self) -> Gateway:
        assert self._gateway is not None
        return self._gateway

    @property
    def stored(self) -> DesiredSettings:
        """What the third settings file holds."""
        return read_desired(self.state / "head-office-settings.json", self.office.settings(self.name))

    async def start(self) -> Gateway:
        settings = load_all_settings(self.file, sets_aside=True).settings
        supervisor = Supervisor(initial_delay_s=0.01, max_delay_s=0.05)
        self._gateway = await Gateway.open(settings, supervisor, settings_file=self.file)
        self._restart = asyncio.Event()
        count_start(self.state / "head-office-settings.json", settings.fleet)
        if self.serves_at is not None:
            self._gateway.check_api = partial(request_health_at, self.serves_at)
        await self._gateway.start(port=1, https_port=0)
        self._gateway.start_fleet_link(FleetActions(self._gateway))
        if self.restarts:
            self._gateway.restart = self._restart.set
        return self._gateway

    async def stop(self) -> None:
        if self._gateway is not None:
            await self._gateway.close()
            self._gateway = None

    @property
    def wants_restart(self) -> bool:
        return self._restart.is_set()

    async def restart(self) -> Gateway:
        """Wait until it asks for a restart, and do that."""
        await self._restart.wait()
        await self.stop()
        return await self.start()

    async def want(self, key: str, document: Any) -> int:
        """Put a document into the bucket `desired`; return its revision."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        async with self.office.client() as client:
            bucket = await client.jetstream(timeout=60).key_value("desired")
            return await bucket.put(key, content)

    async def answers(self, **revisions: int) -> dict[str, dict[str, str]]:
        """Wait for the answer to these revisions, by the key without the name; return it."""
        expected = {self._key(name): revision for name, revision in revisions.items()}
        while True:
            report = await self.office.read_state(f"{self.name}.desired")
            if expected.items() <= report.get("revisions", {}).items():
                answers: dict[str, dict[str, str]] = report["answers"]
                return answers
            await asyncio.sleep(0.02)

    async def settled(self, **revisions: int) -> dict[str, dict[str, str]]:
        """Wait for an answer in which nothing is pending."""
        while True:
            answers = await self.answers(**revisions)
            if all(answer["outcome"] != "pending" for answer in answers.values()):
                return answers
            await asyncio.sleep(0.02)

    async def outcomes(self, **revisions: int) -> dict[str, str]:
        return {part: answer["outcome"] for part, answer in (await self.settled(**revisions)).items()}

    def _key(self, name: str) -> str:
        return {"chain": "chain", "shop": f"shop.{self.name}"}.get(name, f"group.{name}")


async def push(office: HeadOffice, content: bytes) -> dict[str, Any]:
    """Put a file into the object store as the head office does; return the reference to it."""
    async with office.connect() as connected:
        reference = await ContentStore(connected).put("list.csv", io.BytesIO(content))
    return reference.model_dump()
