"""A till in Python, written against the client that openapi-python-client generates from the document.

It uses what the document promises, and no other knowledge of the gateway. `till.py PHASE` plays one phase of a day; it
fails where the gateway does not keep the promise. GATEWAY, POS_TOKEN and ADMIN_TOKEN are in the environment.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from store_client import AuthenticatedClient
from store_client.api.cloud import cloud_order_update, cloud_product_create, cloud_product_get_list
from store_client.api.gateway import (
    add_webhook,
    drop_item,
    edit_item,
    events,
    list_items,
    list_webhooks,
    remove_webhook,
    show_item,
    test_webhook,
)
from store_client.models import (
    AcceptedCall,
    CloudBackEvent,
    CloudLostEvent,
    CloudOrderUpdateRequest,
    CloudOrderUpdateRequestOrder,
    CloudOrderUpdateResponse,
    CloudProductCreateRequest,
    CloudProductCreateRequestProduct,
    CloudProductCreateResponse,
    CloudProductGetListRequest,
    CloudProductGetListResponse,
    CreatedWebhook,
    EventPage,
    ItemBody,
    ItemBodyParameters,
    ItemState,
    ListItemsState,
    OutboxItem,
    OutboxPage,
    Problem,
    ProblemCode,
    WebhookBody,
    WebhookList,
    WebhookTestEvent,
    WebhookTestResult,
)
from store_client.types import Response

MAX_WAIT_S = 120.0
POS = AuthenticatedClient(base_url=os.environ["GATEWAY"], token=os.environ["POS_TOKEN"])
ADMIN = AuthenticatedClient(base_url=os.environ["GATEWAY"], token=os.environ["ADMIN_TOKEN"])
Sent = AcceptedCall | CloudOrderUpdateResponse | Problem


def send_order(number: str, *, wait_s: int = 10, key: str = "") -> Response[Sent]:
    order = CloudOrderUpdateRequestOrder(order_no=number, order_type=1, received_amount=12.80)
    body = CloudOrderUpdateRequest(order_list=[order])
    return cloud_order_update.sync_detailed(
        client=POS, body=body, prefer=f"wait={wait_s}", idempotency_key=key or f"key of {number}"
    )


def accept_order(number: str, *, wait_s: int = 0) -> str:
    """Hand over an order that cannot be delivered at once; return its name in the outbox."""
    response = send_order(number, wait_s=wait_s)
    assert isinstance(response.parsed, AcceptedCall), response
    assert response.headers["Location"].endswith(response.parsed.outbox_id)
    return response.parsed.outbox_id


def find_item(outbox_id: str) -> OutboxItem:
    item = show_item.sync(client=POS, outbox_id=outbox_id)
    assert isinstance(item, OutboxItem), item
    return item


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + MAX_WAIT_S
    while not condition():
        assert time.monotonic() < give_up_at, "it takes too long"
        time.sleep(0.1)


def read_events() -> EventPage:
    page = events.sync(client=POS, after="0", limit=1000)
    assert isinstance(page, EventPage), page
    return page


def up() -> None:
    """Send an order and a product, read events, and take an event as a webhook."""
    sent = send_order("up-1")
    assert isinstance(sent.parsed, CloudOrderUpdateResponse), sent
    assert sent.parsed.code == 0
    repeat = send_order("up-1")
    assert (repeat.status_code, repeat.headers["Idempotent-Replayed"]) == (HTTPStatus.OK, "true")
    product = CloudProductCreateRequestProduct(id="4711", name="Cola", price=1.50)
    created = cloud_product_create.sync(client=POS, body=CloudProductCreateRequest(product_list=[product]))
    assert isinstance(created, CloudProductCreateResponse), created
    listed = cloud_product_get_list.sync(client=POS, body=CloudProductGetListRequest(page_num=1, page_size=10))
    assert isinstance(listed, CloudProductGetListResponse), listed
    delivered = list_items.sync(client=POS, state=ListItemsState.DELIVERED)
    assert isinstance(delivered, OutboxPage), delivered
    assert {item.reference for item in delivered.items} == {"up-1", "4711"}
    assert isinstance(read_events().next_, str)
    receive_webhook()


def receive_webhook() -> None:
    received: queue.Queue[WebhookTestEvent] = queue.Queue()
    secrets: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
            key = base64.b64decode(secrets[0].removeprefix("whsec_"))
            signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            is_right = hmac.compare_digest(self.headers["webhook-signature"], f"v1,{signature}")
            self.send_response(HTTPStatus.NO_CONTENT if is_right else HTTPStatus.UNAUTHORIZED)
            self.end_headers()
            received.put(WebhookTestEvent.from_dict(json.loads(body)))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = WebhookBody(url=f"http://127.0.0.1:{server.server_port}/", name="the till", types=["webhook.test"])
    added = add_webhook.sync(client=ADMIN, body=body)
    assert isinstance(added, CreatedWebhook), added
    secrets.append(added.secret)
    outcome = test_webhook.sync(client=ADMIN, id=added.webhook_id)
    assert isinstance(outcome, WebhookTestResult), outcome
    assert outcome.delivered, outcome.error
    assert received.get(timeout=MAX_WAIT_S).data.webhook_id == added.webhook_id
    listed = list_webhooks.sync(client=ADMIN)
    assert isinstance(listed, WebhookList), listed
    assert [webhook.name for webhook in listed.webhooks] == ["the till"]
    removed = remove_webhook.sync_detailed(client=ADMIN, id=added.webhook_id)
    assert removed.status_code == HTTPStatus.NO_CONTENT
    server.shutdown()


def down() -> None:
    """Hand over an order while the cloud is away: it waits. What is not queued fails, and says when to try again."""
    outbox_id = accept_order("down-1", wait_s=5)
    assert accept_order("down-1") == outbox_id
    item = find_item(outbox_id)
    assert (item.state, item.reference) == (ItemState.WAITING, "down-1")
    response = cloud_product_get_list.sync_detailed(client=POS, body=CloudProductGetListRequest())
    assert isinstance(response.parsed, Problem), response
    assert response.parsed.code is ProblemCode.CLOUD_UNREACHABLE
    assert int(response.headers["Retry-After"]) > 0
    wait_until(lambda: any(isinstance(event, CloudLostEvent) for event in read_events().events))


def back() -> None:
    """See what waited arrive."""

    def has_arrived() -> bool:
        page = list_items.sync(client=POS, path="order/update", state=ListItemsState.DELIVERED)
        assert isinstance(page, OutboxPage), page
        return "down-1" in {item.reference for item in page.items}

    wait_until(has_arrived)
    wait_until(lambda: any(isinstance(event, CloudBackEvent) for event in read_events().events))


def slow() -> None:
    """Do not wait for a cloud that takes long; wait for one that takes long."""
    outbox_id = accept_order("slow-1")
    wait_until(lambda: find_item(outbox_id).state is ItemState.DELIVERED)
    assert isinstance(send_order("slow-2", wait_s=30).parsed, CloudOrderUpdateResponse)


def find_refused(number: str) -> str:
    """Hand over an order that the cloud refuses; return its name in the outbox."""
    response = send_order(number)
    assert isinstance(response.parsed, Problem), response
    assert (response.status_code, response.parsed.code) == (
        HTTPStatus.UNPROCESSABLE_ENTITY, ProblemCode.VENDOR_REFUSED
    )  # fmt: skip
    assert response.parsed.vendor_code == 5047
    assert isinstance(response.parsed.outbox_id, str)
    return response.parsed.outbox_id


def refused() -> None:
    """Correct an order that the cloud refuses, and drop another one."""
    first, second = find_refused("refused-1"), find_refused("refused-2")
    parameters = find_item(first).parameters
    assert parameters is not None
    body = ItemBody(parameters=ItemBodyParameters.from_dict(parameters.to_dict()))
    edited = edit_item.sync(client=POS, outbox_id=first, body=body)
    assert isinstance(edited, OutboxItem), edited
    wait_until(lambda: find_item(first).state is ItemState.DELIVERED)
    assert drop_item.sync_detailed(client=POS, outbox_id=second).status_code == HTTPStatus.NO_CONTENT
    gone = show_item.sync(client=POS, outbox_id=second)
    assert isinstance(gone, Problem), gone
    assert gone.code is ProblemCode.NOT_FOUND


if __name__ == "__main__":
    {"up": up, "down": down, "back": back, "slow": slow, "refused": refused}[sys.argv[1]]()
