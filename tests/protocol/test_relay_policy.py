"""Relay policies: which calls may wait, and declarations that contradict themselves."""

import re
from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.relay_policy import OrderKey, RelayPolicy, ResultList

READS = re.compile(r"(^|/)(get|groupBy)[A-Z]\w*$")


def test_no_read_is_queued() -> None:
    queued = {endpoint.path for endpoint in CATALOGUE.endpoints if endpoint.relay is not None}
    assert {"order/update", "product/create", "product/bindEsl", "device/esl/pushImage"} <= queued
    assert not any(READS.search(path) for path in queued)


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
            "result_lists": {"exist_list": ResultList("redirected", "it exists")},
        },
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="relay policy"):
        RelayPolicy(**wrong)
