"""The log of the whole gateway: everything at debug level, no secrets, and nothing while all is well."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.runtime.logs.handlers import LogfmtHandler
from gateway.runtime.redaction import Redactor
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.faults import InjectedFault
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.search import find

SECRET_KEY = "QzPlantedSecretKey9382938k"
P12_PASSWORD = "QzPlantedP12Password"
WRONG_PASSWORD = "QzPlantedWrongPassword"
WRONG_NUMBER = "QzPlantedWrongNumber"
ORDER = {"order_no": "1", "order_type": 1, "purchase_amount": 5, "received_amount": 5, "payment_type": 1,
         "order_time": 1593029283}  # fmt: skip


class RecordingHandler(logging.Handler):
    """Keeps all records that reach the root, unredacted: message, fields and traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(f"{self.format(record)} {vars(record)}")


@pytest.fixture
def everything() -> Iterator[RecordingHandler]:
    """Log everything, also what libraries log."""
    root, kept = logging.getLogger(), RecordingHandler()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    yield kept
    root.setLevel(level)
    root.removeHandler(kept)


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatedStore]:
    monkeypatch.setenv("SUNMI_GATEWAY__CAMERAS__CLIENT_CERTIFICATE_PASSWORD", P12_PASSWORD)
    async with SimulatedStore(cameras=3, secret_key=SECRET_KEY) as simulated:
        yield simulated


async def ended(rest: Any, sn: str) -> str:
    while True:
        state = str((await rest("GET", f"/api/v1/cameras/{sn}/provisioning")).body["state"])
        if state not in ("running", "waiting"):
            return state
        await asyncio.sleep(0.05)


async def drive(store: SimulatedStore, gateway: Gateway, ours: SimulatedCamera, rest: Any, admin: Any) -> list[str]:
    """Do everything that people and tills do, with and without failures. Return the secrets that were created."""
    fresh, broken = store.cameras[1:]
    number = store.activation_numbers[fresh.sn]
    await find(gateway, store.cameras)
    for camera in (fresh, broken):
        assert (await rest("POST", "/api/v1/cameras", {"sn": camera.sn})).status == 201
    # A camera is put to work: with a wrong password, a wrong number, and then well.
    wifi = {"ssid": WIFI_SSID, "password": WRONG_PASSWORD}
    assert (await rest("PUT", f"/api/v1/cameras/{broken.sn}/wifi", wifi)).status < 500
    wrong = {"activation_number": WRONG_NUMBER, "confirm_erase": True}
    assert (await rest("POST", f"/api/v1/cameras/{broken.sn}/activation", wrong)).status >= 400
    work = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD, "activation_number": number, "confirm_erase": True}
    assert (await rest("POST", f"/api/v1/cameras/{fresh.sn}/provisioning", work)).status == 202
    assert await ended(rest, fresh.sn) == "done"
    # Calls to cameras: well, refused, and dropped.
    call = f"/api/v1/cameras/{ours.sn}/openapi"
    assert (await rest("POST", f"{call}/device/getInfo", {})).status == 200
    assert (await rest("POST", f"{call}/config/setWifiConf", wifi)).status < 500
    ours.faults.queue.append(InjectedFault("reset_before", times=2))
    assert (await rest("POST", f"{call}/device/getInfo", {})).status == 502
    # Calls to the cloud, orders among them: well, malformed, and while it is away.
    till = await gateway.tokens.create("a till", "pos")
    shown = {"headers": {"Authorization": f"Bearer {till}"}}
    assert (await admin("POST", "/api/v1/cloud/order/update", {"order_list": [ORDER]}, **shown)).status == 200
    assert (await admin("POST", "/api/v1/cloud/order/update", {"sign": SECRET_KEY}, **shown)).status == 400
    store.cloud.faults.queue.append(InjectedFault("status", status=503))
    away = await admin("POST", "/api/v1/cloud/order/update", {"order_list": [ORDER | {"order_no": "2"}]}, **shown)
    assert away.status in (200, 202)
    # Tokens, tickets, webhooks and callbacks, right and wrong.
    made = await admin("POST", "/api/v1/tokens", {"name": "another", "scope": "pos"})
    ticket = await admin("POST", "/api/v1/events/tickets", **shown)
    assert ticket.status in (200, 201)
    for text in (ticket.body["ticket"], ticket.body["ticket"][:-1] + "x"):
        page = await admin("GET", f"/api/v1/events?ticket={text}", headers={"Authorization": ""})
        assert page.status in (200, 401)
    webhook = await admin("POST", "/api/v1/webhooks", {"url": "http://127.0.0.9:9/hook"})
    assert webhook.status == 201
    assert not (await admin("POST", f"/api/v1/webhooks/{webhook.body['webhook_id']}/test")).body["delivered"]
    forged = {"data": aiohttp.FormData({"app_id": store.app_id, "sign": SECRET_KEY, "random": "1", "timestamp": "1"})}
    assert (await admin("POST", "/hooks/cloud", **forged)).status >= 400
    bad = {"headers": {"Authorization": f"Bearer {till}x"}}
    assert (await admin("GET", "/api/v1/status", **bad)).status == 401
    # What nobody foresaw: a table that is gone.
    await gateway.database.transact(lambda connection: connection.execute("ALTER TABLE token RENAME TO gone"))
    assert (await admin("POST", "/api/v1/tokens", {"name": "third", "scope": "pos"})).status == 500
    await gateway.database.transact(lambda connection: connection.execute("ALTER TABLE gone RENAME TO token"))
    return [till, made.body["token"], ticket.body["ticket"], webhook.body["secret"], number]


async def test_no_secret_reaches_a_log(
    everything: RecordingHandler,
    store: SimulatedStore,
    gateway: Gateway,
    ours: SimulatedCamera,
    installer: Any,
    admin: Any,
) -> None:
    gateway.webhooks.start([1])
    made = await drive(store, gateway, ours, installer, admin)
    secrets = [SECRET_KEY, P12_PASSWORD, WRONG_PASSWORD, WRONG_NUMBER, WIFI_PASSWORD, *made, admin.token]
    log = "\n".join(everything.lines)
    for told in (
        "device/activate",
        "order/update",
        "/api/v1/tokens",
        "Traceback",
        "no such table",
        "config/setWifiConf",
    ):
        assert told in log, f"{told} was not logged, so this proves nothing"
    assert [secret for secret in secrets if secret in log] == []


async def test_a_request_is_found_in_all_that_it_causes(
    everything: RecordingHandler, store: SimulatedStore, ours: SimulatedCamera, admin: Any, pos: Any
) -> None:
    shown = io.StringIO()
    terminal = LogfmtHandler(Redactor(), shown)
    logging.getLogger("gateway").addHandler(terminal)
    try:
        named = {"headers": {"X-Request-Id": "till-1.17"}}
        path = f"/api/v1/cameras/{ours.sn}/openapi/device/getInfo"
        answer = await admin("POST", path, {}, headers={"X-Request-Id": "a-person"})
        assert (answer.status, answer.headers["X-Request-Id"]) == (200, "a-person")
        order = {"order_list": [ORDER]}
        answer = await pos("POST", "/api/v1/cloud/order/update", order, **named)
        assert (answer.status, answer.headers["X-Request-Id"]) == (200, "till-1.17")
        failed = await pos("DELETE", "/api/v1/tokens/x")
        assert failed.headers["X-Request-Id"] == failed.body["request_id"] != "till-1.17"
        unknown = await pos("GET", "/nothing", headers={"X-Request-Id": "not well-formed"})
        assert unknown.headers["X-Request-Id"] == unknown.body["request_id"] != "not well-formed"
        async with pos.session.get(
            "/api/v1/events",
            headers={"Authorization": f"Bearer {pos.token}", "Accept": "text/event-stream"} | named["headers"],
        ) as stream:
            assert stream.headers["X-Request-Id"] == "till-1.17"
    finally:
        logging.getLogger("gateway").removeHandler(terminal)
    lines = shown.getvalue().splitlines()
    assert [one for one in lines if "side=camera" in one and "request_id=a-person" in one and "device/getInfo" in one]
    [sent] = [one for one in lines if "side=cloud" in one and "endpoint=order/update" in one]
    assert "request_id=till-1.17" in sent
    assert "result=ok" in sent
    assert "duration_ms=" in sent


async def test_nothing_is_logged_while_all_is_well(
    everything: RecordingHandler, gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, pos: Any
) -> None:
    await gateway.start(port=1, https_port=0)
    for _ in range(3):
        await gateway.discovery.scan(timeout_s=0.3)
        patient = {"Prefer": "wait=30"}
        ordered = await pos("POST", "/api/v1/cloud/order/update", {"order_list": [ORDER]}, headers=patient)
        assert ordered.status == 200
        assert (await pos("GET", "/api/v1/cameras")).status == 200
    told = [one for one in everything.records if one.levelno >= logging.INFO and one.name.startswith("gateway")]
    assert [one.getMessage() for one in told] == []
