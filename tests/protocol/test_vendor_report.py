"""Reports whose payload is malformed JSON."""

import pytest

from gateway.protocol.vendor_events import UnreadableEvent
from gateway.protocol.vendor_report import parse_report


@pytest.mark.parametrize(
    "payload",
    [
        '{"sn":"FS101D8BS00106","name":"Joe"s",}',
        '\ufeff{"sn":"FS101D8BS00106","name":"a\tb"}',
        '{"sn":"FS101D8BS00106"}\0',
    ],
)
def test_a_malformed_payload_is_read(payload: str) -> None:
    report = parse_report("2001", payload, {})
    assert report.camera == "FS101D8BS00106"
    assert report.type != "vendor.unreadable"


@pytest.mark.parametrize(
    "payload", ['{"sn":"FS101D8BS00106","score":nan}', '{"sn":"FS101D8BS00106","name":"cut', "[", "{"]
)
def test_a_payload_that_would_lose_something_is_kept_as_text(payload: str) -> None:
    report = parse_report("2001", payload, {})
    assert report.camera == ""
    assert isinstance(report.event, UnreadableEvent)
    assert report.event.payload == payload
