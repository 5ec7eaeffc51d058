"""Redaction: what is secret is nowhere, what is harmless is kept, and redacting again changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cameras.capture_redaction import KEPT, REPLACED, CaptureRedactor
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import REDACTED

SECRETS = (
    "plenty-of-coffee", "kdsofkdsnflke9382938k", "8000000000000000000042", "FS101D8BS00106", "SunmiStore",
    "04:12:24:E3:45:12", "192.168.178.23", "Frau Müllers Laden", "Geheimnis", "fe80::1c2:3ff:fe45:12",
)  # fmt: skip
NAMES = st.sampled_from(
    [*REPLACED, *KEPT, "data", "hd_live_url", "remark", "Password", "secret-key", "wifiPassword", "ap_list"]
)
PLAIN = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["", " ", "NONE", "1.2.6", "text-1", REDACTED])
)
TREES = st.recursive(
    PLAIN | st.sampled_from(SECRETS) | st.sampled_from(SECRETS).map(lambda one: f" {one} "),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.sampled_from(SECRETS), inner, max_size=4)
        | st.builds(lambda told: {"msg": f"cannot join {told}", "log": f"at {told}:443"}, st.sampled_from(SECRETS))
    ),
    max_leaves=20,
)


@given(TREES)
def test_a_known_secret_is_nowhere(tree: Any) -> None:
    redactor = CaptureRedactor(())
    documents = [{"password": list(SECRETS)}, tree]
    for document in documents:
        redactor.learn(document)
    redacted = [redactor.redact(document) for document in documents]
    text = json_text.dumps(redacted)
    assert [secret for secret in SECRETS if secret in text] == []


@given(TREES)
def test_redacting_again_changes_nothing(tree: Any) -> None:
    def redacted(document: Any) -> Any:
        redactor = CaptureRedactor(())
        redactor.learn(document)
        return redactor.redact(document)

    once = redacted(tree)
    assert json_text.dumps(redacted(once)) == json_text.dumps(once)


@given(
    st.recursive(
        st.sampled_from(SECRETS),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "remark", "wifiPassword", "hd_live_url", "id", "value"]), inner)
        ),
        max_leaves=20,
    )
)
def test_unknown_text_is_nowhere_either(tree: Any) -> None:
    text = json_text.dumps(CaptureRedactor(()).redact(tree))
    assert [secret for secret in SECRETS if secret in text] == []


def test_unknown_text_is_replaced_and_numbers_keep_their_digits() -> None:
    document = json_text.loads(
        '{"code":"0","msg":"succeed","data":{"z":1.50,"a":"rtsp://192.168.1.4/0123/live","b":null,"uptime":86400,'
        '"wifi_psk":12345678,"ipc_id":42,"password":{"old":1234,"new":["x"]},"gw":"10.0.0.1","eth":"04-12-24-e3-45-12"}}'
    )
    redactor = CaptureRedactor(())
    redactor.learn(document)
    assert json_text.dumps(redactor.redact(document)) == (
        '{"code":"0","msg":"succeed","data":{"z":1.50,"a":"text-1","b":null,"uptime":86400,'
        '"wifi_psk":0,"ipc_id":0,"password":{"old":0,"new":["********"]},"gw":"192.0.2.1","eth":"02-ab-00-00-00-01"}}'
    )


@pytest.mark.parametrize(
    ("name", "text", "stays"),
    [
        ("software_version", "1.2.6-release", True),
        ("software_version", "192.168.1.4", False),
        ("key_mgmt", "WPA2-PSK-CCMP", True),
        ("key_mgmt", "[WPA-PSK+WPA2-PSK]", True),
        ("key_mgmt", "plenty-of-coffee", False),
        ("msg", "Invalid sign, try again.", True),
        ("msg", "时间戳错误", True),
        ("msg", "sn=FS101D8BS00106&key=kdsofkdsnflke9382938k", False),
        ("model", "FS1", True),
        ("type", "IPC", True),
        ("remark", "IPC", False),
    ],
)
def test_text_is_kept_in_its_form_only(name: str, text: str, stays: bool) -> None:
    redactor = CaptureRedactor(())
    assert (redactor.redact({name: text}) == {name: text}) is stays


def test_a_stand_in_is_counted_where_it_stands() -> None:
    once = {"type": "text-1", "remark": "text-2"}
    assert CaptureRedactor(()).redact({"type": "a strange kind", "remark": "hello"}) == once
    assert CaptureRedactor(()).redact(once) == once


def test_every_secret_of_the_catalogue_is_replaced() -> None:
    secret = {
        known.path.split(".")[-1].replace("_", "")
        for one in CATALOGUE.list_endpoints("camera")
        for known in one.response_fields
        if known.secret
    }
    assert secret
    assert {REPLACED.get(name) for name in secret} == {"secret"}


def test_nesting_has_an_end() -> None:
    document: Any = "deep"
    for _ in range(300):
        document = {"a": [document]}
    redactor = CaptureRedactor(())
    redactor.learn(document)
    assert "deep" not in json_text.dumps(redactor.redact(document))
