"""Captures keep the form of responses that cannot be read, and nothing that they say."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cameras.raw_redaction import redact_raw
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CameraSettings
from tests.cameras.capture_bench import NEIGHBOUR, SECRET_PASSWORD, SECRET_SSID, CaptureBench, read_of, repeatable_part
from tests.cameras.conftest import Bench

FIELDS = {"code", "data", "ap_list", "ssid", "key_mgmt", "name"}
HEAD = b"HTTP/1.1 200 OK\r\n"


def raw_of(document: dict[str, Any], path: str) -> bytes:
    return bytes.fromhex(read_of(document, path)["raw"])


async def test_what_could_not_be_read_is_kept_as_it_came(capturing: CaptureBench) -> None:
    camera = await capturing.simulate()
    camera.faults.add("malformed_json", flaw="quote", path="config/getApList", times=None)
    camera.faults.add("malformed_json", flaw="gbk", path="config/getName", times=None)
    camera.faults.add("malformed_json", flaw="trailing", path="config/getWifiConf", times=None)
    camera.faults.add("html", path="config/getRotation", times=None)
    camera.faults.add("garbage", path="config/getIrMode", times=None)
    document = await capturing.captured(camera)
    async with capturing.replaying(document) as replayed:
        again = await capturing.capture(replayed.sn)

    listed = raw_of(document, "config/getApList")
    assert b'{"ssid":"Xxx"x "Xxx", 0xx xxxxx","key_mgmt":"XXX-XXX"}' in listed
    assert listed.startswith(HEAD)
    assert b'"name":"' + b"\xc3\xc3\xc3" in raw_of(document, "config/getName")
    assert read_of(document, "config/getName")["answer"] == {"code": 0, "data": {"name": "name-1"}}
    assert raw_of(document, "config/getWifiConf").endswith(b"\r\n\r\n"), "a password's form is a secret, too"
    assert b"<xxxx><xxxx>Xxxxxxx xx xxx" in raw_of(document, "config/getRotation")
    assert raw_of(document, "config/getIrMode").endswith(b"\r\n\r\n\x00\xf8\xf8{{{]")
    assert "raw" not in read_of(document, "config/getLedSwitch")
    text = f"{json_text.dumps(document)} {[bytes.fromhex(read.get('raw', '')) for read in document['reads']]}"
    for secret in (camera.sn, SECRET_SSID, SECRET_PASSWORD, NEIGHBOUR, "Margot", "Joe", "老王家", "guest network"):
        assert secret not in text
    assert repeatable_part(again) == repeatable_part(document)


async def test_an_activated_camera_whose_every_answer_is_garbled_is_captured(capturing: CaptureBench) -> None:
    camera = await capturing.simulate()
    camera.faults.add("html", times=None)
    document = await capturing.captured(camera)
    shown = [read for read in document["reads"] if not CATALOGUE.get("camera", read["path"]).has_secret_fields]
    assert len(document["reads"]) > len(shown) > 5
    assert all(b"<xxxx>" in bytes.fromhex(read["raw"]) for read in shown)
    assert {read.get("problem", "") for read in document["reads"]} <= {"", "camera_response_malformed"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"hello 5\r\n\r\n", b"xxxxx 0\r\n\r\n"),
        (HEAD + b"Content-Length: ten\r\n\r\n", HEAD + b"Content-Length: xxx\r\n\r\n"),
        (HEAD + b"Content-Length : 99\nSN: FS101\n\n{", HEAD + b"Content-Length : 99\nXX: XX000\n\n{"),
    ],
)
async def test_what_is_no_http_or_never_ends_is_kept(
    capturing: CaptureBench, serve: Any, sent: bytes, kept: bytes
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(sent)
        await visit.reader.read()

    bench: Bench = capturing.bench
    async with serve(script) as camera:
        await bench.registry.manage("FS101D8BS00106", f"127.0.0.1:{camera.port}")
        cameras = bench.calls(CameraSettings(timeout_s=4), ("", ""))
        document = await capturing.capture("FS101D8BS00106", cameras)
        await cameras.close()
    assert raw_of(document, "config/getApListWithoutAuth") == kept


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda raw: HEAD + b"Server: x\r\n\r\n" + raw))
def test_redacting_twice_changes_nothing_and_no_word_remains(received: bytes) -> None:
    redacted = redact_raw(received, FIELDS, secret=False)
    assert len(redacted) == len(received)
    assert redact_raw(redacted, FIELDS, secret=False) == redacted
    if b'"' not in received and b"HTTP" not in received:
        assert re.fullmatch(rb"[^A-Za-z0-9\x80-\xff]*(?:[xuX0\xa1\xc3\xe5\xf1\xf8][^A-Za-z0-9\x80-\xff]*)*", redacted)


def test_the_form_stays() -> None:
    received = (
        b"HTTP/1.1 201 Created\r\nDate: Wed, 24 Jun 2020 20:08:03 CST\r\nTransfer-Encoding: chunked\r\n"
        b"Server: FS101\r\n\r\n"
        b'{"code":12,"pin":"1234","data":{"name":"caf\xe9 \\xe4 \\u4e2d","code":123456789012}}'
    )
    assert redact_raw(received, FIELDS, secret=False) == (
        b"HTTP/1.1 201 Xxxxxxx\r\nDate: Wed, 24 Jun 2020 20:08:03 CST\r\nTransfer-Encoding: chunked\r\n"
        b"Server: XX000\r\n\r\n"
        b'{"code":12,"xxx":"0000","data":{"name":"xxx\xe5 \\xx0 \\u0x0x","code":000000000000}}'
    )


# Over HTTP as small devices speak it


@pytest.mark.parametrize(
    "sent",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"code":0}\0',
        b'HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{"code":0}',
        b'HTTP/1.1 202 Accepted\nContent-Length : 12\n\n\0{"code":0}\0',
    ],
    ids=["NUL", "201", "202, NULs and line feeds"],
)
async def test_a_nul_in_the_body_and_any_status_of_success(bench: Bench, serve: Any, sent: bytes) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.say(sent)

    async with serve(script) as camera:
        await bench.registry.manage("FS101D8BS00106", f"127.0.0.1:{camera.port}")
        assert await bench.cameras.list_access_points("FS101D8BS00106") == []
        await bench.cameras.close()
        await asyncio.sleep(0)
    assert bench.registry.get("FS101D8BS00106").activation == "not_activated"
