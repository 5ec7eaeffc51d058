"""The client of the cloud, against a simulated cloud over real HTTPS."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.cloud.client import CloudClient
from gateway.errors import (
    CloudRejectedCredentials,
    CloudResponseMalformed,
    CloudUnreachable,
    Conflict,
    PeerTimeout,
    RateLimited,
    TooLarge,
    VendorRefused,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.simulator.cloud import SimulatedCloud

MakeClient = Callable[..., CloudClient]
SHOP = {"shop_id": "10096"}


def call(path: str, **arguments: object) -> Call:
    return CATALOGUE.get("cloud", path).encode(arguments, defaults=SHOP)


def order(number: str = "CN0000938") -> Call:
    return call("order/update", order_list=[{"order_no": number, "purchase_amount": "10.00"}])


async def test_a_call_is_signed(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    client = make_client(simulated)
    answer = await client.call(order())
    assert answer.code == 0
    assert client.reachable is True
    assert [request.path for request in simulated.accepted] == ["order/update"]
    assert simulated.accepted[0].fields["order_list"] == '[{"order_no":"CN0000938","purchase_amount":"10.00"}]'
    assert simulated.accepted[0].fields["shop_id"] == "10096"


async def test_a_file_is_sent_as_multipart(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    client = make_client(simulated)
    groups = (await client.call(call("face/group/getList"))).data["group_list"]
    picture = FilePart("face.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    endpoint = CATALOGUE.get("cloud", "face/add")
    encoded = endpoint.encode(
        {"group_id": groups[0]["group_id"], "name": "Mike"}, files={"pic": picture}, defaults=SHOP
    )
    answer = await client.call(encoded)
    assert answer.data["face_id"]
    assert simulated.accepted[-1].files["pic"].data == picture.data


async def test_a_refusal_has_code_and_meaning(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    simulated.faults.add("refuse", code=5047)
    with pytest.raises(VendorRefused) as caught:
        await make_client(simulated).call(order())
    assert caught.value.vendor_code == 5047
    assert caught.value.vendor_meaning == "invalid order"
    assert "order/update" in caught.value.detail


async def test_a_wrong_secret_is_named_and_not_shown(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    client = make_client(simulated, secret_key="wrong-secret-of-ours")
    with pytest.raises(CloudRejectedCredentials) as caught:
        await client.call(order())
    assert "cloud.secret_key" in caught.value.detail
    assert "wrong-secret-of-ours" not in caught.value.detail
    assert simulated.accepted == []


@pytest.mark.parametrize("code", [5090, 5091, 5092])
@pytest.mark.parametrize("status", [200, 401])
async def test_a_refused_signature_may_come_with_either_status(
    simulated: SimulatedCloud, make_client: MakeClient, code: int, status: int
) -> None:
    if status == 200:
        simulated.faults.add("refuse", code=code, times=None)
    else:
        simulated.faults.add("status", status=401, code=code, times=None)
    with pytest.raises(CloudRejectedCredentials, match=str(code)):
        await make_client(simulated).call(order())


async def test_missing_credentials_send_nothing(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    with pytest.raises(Conflict, match=r"cloud\.app_id"):
        await make_client(simulated, app_id="").call(order())
    assert simulated.request_paths == []


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        ({"kind": "status", "status": 500}, CloudUnreachable, "HTTP status 500"),
        ({"kind": "status", "status": 503}, CloudUnreachable, "HTTP status 503"),
        ({"kind": "status", "status": 413}, TooLarge, "too large"),
        ({"kind": "status", "status": 429, "retry_after_s": 7}, RateLimited, "fewer requests"),
        ({"kind": "garbage"}, CloudResponseMalformed, "not known"),
        ({"kind": "html"}, CloudResponseMalformed, "an HTML page"),
        ({"kind": "empty"}, CloudResponseMalformed, "responded with nothing"),
        ({"kind": "endless"}, (CloudUnreachable, PeerTimeout), ""),
        ({"kind": "drop"}, CloudUnreachable, "not known"),
        ({"kind": "reset_before"}, CloudUnreachable, "not known"),
        ({"kind": "reset_after"}, CloudUnreachable, "not known"),
        ({"kind": "silent"}, PeerTimeout, "within 2 s"),
        ({"kind": "slow", "seconds": 10.0}, PeerTimeout, "within 2 s"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
async def test_each_failure_of_the_cloud_is_an_exception(
    simulated: SimulatedCloud, make_client: MakeClient, fault: dict[str, object], expected: type[Exception], words: str
) -> None:
    simulated.faults.add(**fault)  # type: ignore[arg-type]
    client = make_client(simulated, timeout_s=2)
    with pytest.raises(expected) as caught:
        await client.call(order())
    assert words in str(caught.value)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_s == 7
    if isinstance(caught.value, CloudUnreachable | PeerTimeout):
        assert client.reachable is isinstance(caught.value, CloudResponseMalformed)
    assert await client.call(order("CN2")), "the next call works again"


async def test_a_read_is_repeated_after_a_reset_and_an_order_is_not(
    simulated: SimulatedCloud, make_client: MakeClient
) -> None:
    client = make_client(simulated)
    simulated.faults.add("reset_before", path="face/group/getList")
    assert (await client.call(call("face/group/getList"))).code == 0
    simulated.faults.add("reset_after", path="order/update")
    with pytest.raises(CloudUnreachable):
        await client.call(order())
    assert simulated.request_paths.count("order/update") == 1


async def test_a_cloud_that_is_away(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    client = make_client(simulated)
    await simulated.stop()
    with pytest.raises(CloudUnreachable, match="no connection"):
        await client.call(order())
    assert client.reachable is False


async def test_nothing_is_sent_to_an_untrusted_certificate(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    simulated.faults.changed_certificate = True
    with pytest.raises(CloudUnreachable, match="not trusted"):
        await make_client(simulated).call(order())
    assert simulated.request_paths == []


async def test_a_redirect_is_not_followed(make_client: MakeClient, simulated: SimulatedCloud) -> None:
    """The path is one that the cloud does not have: it answers 404, and nothing else is tried."""
    client = make_client(simulated, base_url=simulated.base_url + "/elsewhere")
    with pytest.raises(CloudUnreachable, match="HTTP status 404"):
        await client.call(order())


async def test_many_calls_share_connections(simulated: SimulatedCloud, make_client: MakeClient) -> None:
    client = make_client(simulated)
    for number in range(10):
        await client.call(order(f"CN{number}"))
    assert simulated.handshakes == 1
    await asyncio.gather(*(client.call(order(f"CX{number}")) for number in range(10)))
    assert len(simulated.accepted) == 20
