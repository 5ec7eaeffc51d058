"""The commands that simulate: their files, and a cloud that goes down and comes up under one gateway settings file."""

import asyncio
import contextlib
import json
import shlex
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from gateway.simulator.faults import FAULT_KINDS, SWITCHES, FaultKind
from gateway.simulator.ports import find_free_port
from tests.cli.conftest import Commands

ORDER = ("cloud", "call", "order/update", "--json")


@contextlib.asynccontextmanager
async def simulated(command: Commands, *words: str, **environment: str) -> AsyncIterator[Any]:
    """Run a simulate command until the block ends, and yield the document that it prints."""
    process = await command.begin("simulate", *words, "--json", **environment)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await process.stdout.readline()
        yield json.loads(line or await process.stderr.read())
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def gateway(command: Commands, **environment: str) -> AsyncIterator[None]:
    process = await command.begin("run", **environment)
    assert process.stderr is not None
    try:
        line = await process.stderr.readline()
        assert b"serves on" in line, line
        yield
    finally:
        process.terminate()
        await process.communicate()


async def send(command: Commands, number: str) -> Any:
    return (await command(*ORDER, f'order_list=[{{"order_no":"{number}"}}]')).json


async def until_delivered(command: Commands, outbox_id: str) -> None:
    while (await command("outbox", "show", outbox_id, "--json")).json["state"] != "delivered":
        await asyncio.sleep(0.2)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Give a folder whose path leaves room for that of a Unix socket."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


async def test_the_cloud_goes_down_and_comes_up_with_one_settings_file(short_path: Path) -> None:
    folder = short_path / "sunmi-gateway-simulator"
    state_home = {"XDG_STATE_HOME": str(short_path)}
    server = {"SUNMI_GATEWAY__SERVER__HOST": "127.0.0.1", "SUNMI_GATEWAY__SERVER__PORT": str(find_free_port())}
    command = Commands(folder / "gateway.toml")
    async with contextlib.AsyncExitStack() as running:
        async with simulated(command, "store", "--cameras", "1", **state_home) as store:
            assert store["settings"] == str(command.config)
            await running.enter_async_context(gateway(command, **server))
            assert (await send(command, "A1"))["code"] == 0
        waiting = await send(command, "A2")
        assert waiting["state"] in ("waiting", "sending")
        async with simulated(command, "cloud", **state_home) as cloud:
            assert cloud["base_url"] == store["cloud"]
            await until_delivered(command, waiting["outbox_id"])
        waiting = await send(command, "A3")
        async with simulated(command, "store", "--cameras", "1", **state_home) as again:
            assert (again["cloud"], again["cameras"]) == (store["cloud"], store["cameras"])
            await until_delivered(command, waiting["outbox_id"])


async def test_gateways_of_several_stores_run_at_the_same_time(short_path: Path) -> None:
    commands = [Commands(short_path / name / "gateway.toml") for name in "ab"]
    ports = set()
    async with contextlib.AsyncExitStack() as running:
        for command in commands:
            words = ("store", "--cameras", "1", "--directory", str(command.config.parent))
            store = await running.enter_async_context(simulated(command, *words))
            ports.add(urlsplit(store["gateway"]).port)
        for command in commands:
            await running.enter_async_context(gateway(command))
    assert len(ports) == 2
    assert 8080 not in ports
    async with simulated(commands[1], "store", "--cameras", "1", "--directory", str(short_path / "b")) as again:
        assert again["gateway"] == store["gateway"]


async def test_the_cloud_knows_its_labels_and_products_after_a_restart(short_path: Path) -> None:
    folder = short_path / "store"
    command = Commands(folder / "gateway.toml")
    words = ("store", "--cameras", "1", "--directory", str(folder))
    listed = folder / "products.csv"
    code = "SKDI39DN"

    async def read() -> Any:
        labels = (await command("cloud", "call", "device/esl/getList", "page_num=1", "page_size=50", "--json")).json
        product = ["cloud", "call", "product/getList", "page_num=1", "page_size=50", "--json"]
        return labels["data"]["esl_list"], (await command(*product)).json["data"]["product_list"]

    async with simulated(command, *words):
        listed.write_text("id,name,price\n007,可乐,3.20\n", encoding="utf-8")
        async with gateway(command, SUNMI_GATEWAY__SERVER__PORT=str(find_free_port())):
            assert (await command("products", "import", str(listed))).status == 0
            assert (await command("labels", "bind", code, "007")).status == 0
            assert (await command("labels", "verify", code, "--timeout", "60")).status == 0
            labels, products = await read()
            assert any(label["esl_code"] == code and label["status"] == 3 for label in labels)
            assert [str(product["price"]) for product in products] == ["3.2"]
    async with simulated(command, *words):
        assert await read() == (labels, products)
    async with simulated(command, "cloud", "--ca-file", str(folder / "simulated-cloud-ca.pem")):
        assert await read() == (labels, products)
    (folder / "simulated-cloud.json").write_text("{", encoding="utf-8")
    refused = await command("simulate", *words)
    assert (refused.status, "delete it" in refused.errors) == (1, True)


async def test_the_command_that_is_printed_can_be_pasted(short_path: Path) -> None:
    folder = short_path / "my shop"
    process = await Commands(folder / "none.toml").begin(
        "simulate", "store", "--cameras", "1", "--directory", str(folder)
    )
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        assert shlex.split(line)[-4:] == ["gateway", "--config", str(folder / "gateway.toml"), "run"]
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def test_the_authority_is_kept_where_it_is_named_and_its_key_is_private(tmp_path: Path) -> None:
    command = Commands(tmp_path / "none.toml")
    ca_file = tmp_path / "elsewhere" / "ca.pem"
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    async with simulated(command, "cloud", "--ca-file", str(ca_file), **environment) as first:
        assert first["ca_file"] == str(ca_file)
        before = ca_file.read_text()
    async with simulated(command, "cloud", "--ca-file", str(ca_file), **environment) as second:
        assert second["base_url"] == first["base_url"]
        assert ca_file.read_text() == before
    assert stat.S_IMODE(ca_file.with_suffix(".key").stat().st_mode) == 0o600
    assert not (tmp_path / "state").exists()


async def test_a_taken_port_of_the_last_run_is_replaced_and_a_given_one_refused(tmp_path: Path) -> None:
    command = Commands(tmp_path / "none.toml")
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    async with simulated(command, "cloud", **environment) as first:
        async with simulated(command, "cloud", **environment) as second:
            assert second["base_url"] != first["base_url"]
            assert second["ca_file"] == first["ca_file"]
        port = first["base_url"].removesuffix("/openapi").rpartition(":")[2]
        refused = await command("simulate", "cloud", "--port", port, **environment)
        assert refused.status == 1
        assert f"127.0.0.1:{port}: Address already in use" in refused.errors


async def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    command = Commands(tmp_path / "none.toml")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("nothing")
    ca_file.with_suffix(".key").write_text("nothing")
    refused = await command("simulate", "cloud", "--ca-file", str(ca_file))
    assert refused.status == 1
    assert str(ca_file) in refused.errors
    assert "delete both" in refused.errors


@pytest.mark.parametrize("name", ["camera", "cloud", "store"])
async def test_the_help_lists_every_fault_with_its_parameters(tmp_path: Path, name: str) -> None:
    shown = await Commands(tmp_path / "none.toml")("simulate", name, "--help")
    assert shown.status == 0
    _, _, faults = shown.output.partition("Faults of single calls")
    for word in (*get_args(FaultKind), *SWITCHES, "path", "times"):
        assert f"  {word}" in faults, word
    for kind, known in FAULT_KINDS.items():
        if known.parameters:
            assert f"  {kind}:{','.join(f'{parameter}=…' for parameter in known.parameters)}" in faults
