"""Clients that are generated from the OpenAPI document, and tills that are written against them.

The tills are correct by their types, and play a day in the simulated store, with the cloud up, away, back, slow and
refusing.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.api_document import build_gateway_document

CLIENTS = Path(__file__).parent / "clients"
NODE_MODULES = Path(sys.prefix) / "typescript" / "node_modules"
"""Where `packaging/test.sh` installs what `clients/package.json` names."""
SLOW_S = 1.5
"""How long the slow cloud takes for each response."""
DOCUMENT = build_gateway_document()


def run(*command: str | Path, where: Path) -> None:
    """Run a program to its end, and show what it says if it fails."""
    done = subprocess.run(
        command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout.decode()[-4000:]


def binary_types(part: Any) -> Iterator[str]:
    """Yield the media types of the document whose content is neither JSON nor text."""
    for name, value in part.items() if isinstance(part, dict) else ():
        if isinstance(value, dict) and value.get("schema", {}).get("format") == "binary":
            yield name
        yield from binary_types(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the document and the tills."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT, default=float), encoding="utf-8")
    shutil.copytree(CLIENTS, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def python_till(folder: Path) -> list[str]:
    """Generate the client in Python, check types, and give the command of its till."""
    configuration = folder / "generator.json"
    overrides = dict.fromkeys(binary_types(DOCUMENT), "application/octet-stream")
    configuration.write_text(json.dumps({"post_hooks": [], "content_type_overrides": overrides}), encoding="utf-8")
    python = Path(sys.executable)
    run(
        *(python.parent / "openapi-python-client", "generate", "--fail-on-warning", "--meta", "none"),
        *("--path", "openapi.json", "--config", configuration, "--output-path", "store_client"),
        where=folder,
    )
    run(python, "-m", "mypy", "--strict", "--cache-dir", folder / "mypy", "till.py", where=folder)
    return [str(python), str(folder / "till.py")]


@pytest.fixture(scope="module")
def typescript_till(folder: Path) -> list[str]:
    """Generate the types for TypeScript, compile, and give the command of its till."""
    if not NODE_MODULES.exists():
        pytest.skip("needs Node.js with npm, and what packaging/test.sh installs with it")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    programs = NODE_MODULES / ".bin"
    # A member of a request that has a default need not be given.
    options = ("--default-non-nullable=false", "--output", "store.ts")
    run(programs / "openapi-typescript", "openapi.json", *options, where=folder)
    run(programs / "tsc", where=folder)
    return ["node", str(folder / "built" / "till.js")]


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture
async def environment(store: SimulatedStore, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Serve a gateway in the store; give the environment of a till."""
    file = tmp_path / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    gateway = await Gateway.open(load_settings(file))
    try:
        async with serve(gateway) as urls:
            yield {
                # httpx takes no empty file of certificates.
                **{name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"},
                "GATEWAY": urls[0].rstrip("/"),
                "POS_TOKEN": await gateway.tokens.create("till 1", "pos"),
                "ADMIN_TOKEN": await gateway.tokens.create("the admin", "admin"),
            }
    finally:
        await gateway.close()


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine takes minutes to generate and to check types
@pytest.mark.parametrize("till", ["python_till", "typescript_till"])
async def test_a_till_plays_a_day(
    till: str, request: pytest.FixtureRequest, store: SimulatedStore, environment: dict[str, str]
) -> None:
    command = request.getfixturevalue(till)

    async def play(phase: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *command, phase, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{phase}: {output.decode()[-3000:]}"

    await play("up")
    await store.cloud.stop()
    await play("down")
    await store.cloud.start()
    await play("back")
    store.cloud.faults.latency_s = SLOW_S
    await play("slow")
    store.cloud.faults.latency_s = 0
    store.cloud.faults.add("refuse", code=5047, times=2)
    await play("refused")
