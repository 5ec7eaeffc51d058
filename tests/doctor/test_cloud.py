"""What keeps a gateway from its cloud: credentials, shop, certificates, clocks, connections."""

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.doctor import cloud
from gateway.simulator.store import SimulatedStore

CLOUD = ("dns", "cloud_tls", "clock", "credentials", "shop")


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {name: one.status for name, [one] in found.items()}


async def test_all_is_well(doctor: Any, store: SimulatedStore) -> None:
    assert statuses(await doctor(*CLOUD)) == dict.fromkeys(CLOUD, "ok")
    assert store.cloud.request_paths == ["device/ipc/getList"], "one signed call, which changes nothing"


@pytest.mark.parametrize(
    ("changed", "check", "word"),
    [
        ({"cloud__secret_key": "wrong-key"}, "credentials", "secret key"),
        ({"cloud__secret_key": ""}, "credentials", "secret_key not set"),
        ({"cloud__app_id": ""}, "credentials", "app_id not set"),
        ({"cloud__shop_id": "404"}, "shop", "404"),
        ({"cloud__ca_file": ""}, "cloud_tls", "not trusted"),
        ({"cloud__ca_file": "/nowhere/ca.pem"}, "cloud_tls", "/nowhere/ca.pem"),
    ],
)
async def test_what_is_wrong_is_named(
    with_settings: Callable[..., Any], changed: dict[str, str], check: str, word: str
) -> None:
    found = await with_settings(**changed)(*CLOUD)
    assert found[check][0].status == "failed"
    assert word in " ".join(found[check][0])
    assert found[check][0].what_to_do
    assert "wrong-key" not in str(found)


async def test_without_a_shop_the_account_is_checked_all_the_same(with_settings: Callable[..., Any]) -> None:
    found = await with_settings(cloud__shop_id="")("credentials", "shop")
    assert statuses(found) == {"credentials": "ok", "shop": "warning"}


async def test_a_cloud_that_is_away(doctor: Any, store: SimulatedStore) -> None:
    await store.cloud.stop()
    found = await doctor(*CLOUD)
    assert statuses(found) == {
        "dns": "ok", "cloud_tls": "failed", "clock": "skipped", "credentials": "skipped", "shop": "skipped",
    }  # fmt: skip
    assert "no connection to 127.0.0.1" in found["cloud_tls"][0].what
    assert found["cloud_tls"][0].what_to_do.endswith(f"TCP port {urlsplit(store.cloud.base_url).port}")


async def test_a_wrong_clock_is_told_with_its_size(store: SimulatedStore, doctor: Any) -> None:
    store.cloud.faults.clock_offset_s = 3600
    found = await doctor("clock", "credentials")
    assert statuses(found) == {"clock": "warning", "credentials": "ok"}, "calls are signed with the cloud's time"
    assert "3600 s behind" in found["clock"][0].what
    assert "set-ntp" in found["clock"][0].what_to_do


async def test_a_cloud_that_tells_no_time(store: SimulatedStore, doctor: Any) -> None:
    store.cloud.faults.send_date = False
    assert statuses(await doctor("cloud_tls", "clock")) == {"cloud_tls": "ok", "clock": "skipped"}


async def test_a_clock_that_was_never_set(store: SimulatedStore, doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "RELEASED_AT", time.time() + 86400)
    store.cloud.faults.send_date = False
    found = (await doctor("clock"))["clock"][0]
    assert (found.status, found.what) == ("warning", "this machine's clock was never set")


async def test_another_certificate_than_the_clouds(store: SimulatedStore, doctor: Any) -> None:
    store.cloud.faults.changed_certificate = True
    found = await doctor("cloud_tls")
    assert found["cloud_tls"][0].status == "failed"
    assert "intercepts the connection" in found["cloud_tls"][0].what_to_do


async def test_a_silent_cloud_is_given_up_in_time(with_settings: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/openapi"
        found = await with_settings(cloud__base_url=url)("cloud_tls")
    assert found["cloud_tls"][0].status == "failed"
    assert "does not answer" in found["cloud_tls"][0].what
