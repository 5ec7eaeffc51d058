"""A gateway as a process, a cloud that fails at random, and how much of the long proofs to run."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.cloud.conftest import make_client as make_client
from tests.cloud.conftest import simulated as simulated
from tests.outbox import disk
from tests.outbox.cloud import ObservedCloud
from tests.outbox.process import GatewayProcess

FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what takes a line of figures; all are shown at the end of the run."""
    lines = request.config.stash.setdefault(FIGURES, [])
    return lambda line: lines.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@pytest.fixture
def counts() -> dict[str, int]:
    """Return how often to kill, cut the power and copy."""
    if os.environ.get("FULL_PROOFS") == "1":
        return {"kills": 100, "cuts": 60, "copies": 30}
    return {"kills": 8, "cuts": 4, "copies": 3}


@pytest.fixture
async def cloud() -> AsyncIterator[ObservedCloud]:
    async with ObservedCloud(seed=int(os.environ.get("PROOF_SEED", "1"))) as observed:
        yield observed


@pytest.fixture
async def gateway(cloud: ObservedCloud, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "gateway", cloud.settings_toml(), cloud.simulated.ca_pem)
    yield process
    await process.discard()


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if disk.compiler() is None:
        pytest.skip("needs a C compiler (apt-get install gcc libc6-dev): power cuts are made before the C library")
    return disk.build(tmp_path_factory.mktemp("disk"))
