"""Responses that cannot be read: the cloud is not away, and what it may have taken is repeated ever more seldom."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import gateway.outbox.worker as worker_module
from gateway.cloud.client import CloudClient
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.server import ReceivedRequest, ServedResponse
from tests.outbox.opened import ACCOUNT, OpenedOutbox
from tests.waiting import until


class Rambling(SimulatedCloud):
    """A simulated cloud that can be told what to answer, byte for byte, after it has taken a call."""

    body: bytes | None = None

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        served = super().respond(request)
        if self.body is None:
            return served
        return ServedResponse(
            None, raw=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self.body), self.body)
        )


@pytest.fixture
async def simulated() -> AsyncIterator[Rambling]:
    cloud = Rambling()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenedOutbox]:
    life = await OpenedOutbox.open(tmp_path / "gateway.db")
    yield life
    await life.close()


@pytest.fixture
async def worker(
    simulated: Rambling, make_client: Callable[..., CloudClient], opened: OpenedOutbox
) -> AsyncIterator[OutboxWorker]:
    made = OutboxWorker(make_client(simulated), opened.outbox, opened.supervisor)
    yield made
    await made.close()


def order(number: str) -> Call:
    return CATALOGUE.get("cloud", "order/update").encode({"order_list": [{"order_no": number}]}, defaults=ACCOUNT.shop)


@pytest.mark.parametrize("body", [
    b'\xef\xbb\xbf{"code":0,"msg":"succeed","data":{}}',
    b'{"code":0,"msg":"\\ud800","data":{"invalid_list":["\\ud800"]}}',
    '{"code":0,"msg":"成功"}'.encode("gbk"),
    b'{"code":0,"data":{"total":1e400,"more":1000000000000000000000000000000}}',
    b'{"code":0,"msg":"\\u0000"}',
])  # fmt: skip
async def test_what_can_be_read_is_read_once(
    body: bytes, simulated: Rambling, worker: OutboxWorker, opened: OpenedOutbox
) -> None:
    simulated.body = body
    await opened.outbox.submit(order("A"), token="till")
    worker.start()
    await until(lambda: opened.outbox.depth == 0)
    assert len(simulated.request_paths) == 1
    assert opened.outbox.unclear is None


@pytest.mark.parametrize("body", [
    b'{"code":1000000000000000000000000000000}', b'{"code":1e400}', b"<html>Maintenance</html>", b"", b"[]",
])  # fmt: skip
async def test_what_cannot_be_read_is_no_absence_and_slows_down(
    body: bytes, simulated: Rambling, worker: OutboxWorker, opened: OpenedOutbox
) -> None:
    simulated.body = body
    for number in "ABCDEFGH":
        await opened.outbox.submit(order(number), token="till")
    worker.start()
    await until(lambda: len(simulated.request_paths) >= 4)
    assert "is not known" in (opened.outbox.unclear or "")
    assert opened.outbox.unreachable is None
    assert opened.outbox.depth == 8
    sent = [sum(body.count("order_no") for body in request.fields.values()) for request in simulated.accepted]
    assert sent[1:] == [1] * len(sent[1:]), "only one at a time is repeated"
    simulated.body = None
    await until(lambda: opened.outbox.depth == 0)
    assert opened.outbox.unclear is None


async def test_an_item_whose_outcome_is_never_known_is_refused_in_the_end(
    simulated: Rambling, worker: OutboxWorker, opened: OpenedOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_MAX_UNCLEAR_FAILURES", 3)
    simulated.body = b"{"
    await opened.outbox.submit(order("A"), token="till")
    worker.start()
    await until(lambda: opened.outbox.depth == 0)
    item = await opened.outbox.item(1)
    assert (item.state, item.attempts) == ("refused", 3)
    assert "outcome is not known" in item.outcome.meaning
