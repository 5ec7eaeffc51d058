"""Relay policies: which calls may wait, and declarations that contradict themselves."""

from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.relay_policy import OrderKey, RelayPolicy

QUEUED = {
    "order/update", "product/create", "product/update", "product/delete", "product/bindEsl", "product/unbindEsl",
    "product/updateTemplate", "device/esl/pushImage", "device/esl/flashLed",
}  # fmt: skip


def test_only_writes_that_may_wait_are_queued() -> None:
    assert {endpoint.path for endpoint in CATALOGUE.endpoints if endpoint.relay is not None} == QUEUED


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_keys": ()},
        {"order_keys": (OrderKey("order", ("a",)), OrderKey("product", ("b",)))},
        {"order_keys": (OrderKey("order"),)},
        {"order_keys": (OrderKey("order", ("a",)),), "max_batch_size": 2},
        {"order_keys": (OrderKey("order", ("a",)),), "on_newer": "replace", "barrier": True},
        {
            "order_keys": (OrderKey("order", ("a",)),),
            "list_parameter": "list",
            "result_lists": {"exist_list": "redirected"},
        },
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="relay policy"):
        RelayPolicy(**wrong)
