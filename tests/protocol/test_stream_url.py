"""Addresses of streams are hostile: what is opened is at the camera, or at the vendor's hosts."""

from typing import Any

import pytest

from gateway.errors import CameraResponseMalformed, CloudResponseMalformed
from gateway.protocol.stream_url import check_cloud_url, parse_rtsp_url

TOKEN = "0123456789ABCDEF0123456789ABCDEF"
BASE = "https://store.sunmi.com/openapi"


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        (f"rtsp://192.168.0.7/{TOKEN}/live_hd.sdp", f"rtsp://192.168.0.7/{TOKEN}/live_hd.sdp"),
        (f"rtsp://192.168.0.7:554/{TOKEN}/x", f"rtsp://192.168.0.7/{TOKEN}/x"),
        ("rtsp://10.0.0.1:8554/x?a=b", "rtsp://192.168.0.7:8554/x?a=b"),
        ("RTSP://localhost", "rtsp://192.168.0.7/"),
        ("rtsp://[::1]:8554/x", "rtsp://192.168.0.7:8554/x"),
    ],
)
def test_a_cameras_stream_is_at_the_camera(url: str, opened: str) -> None:
    assert parse_rtsp_url(url, "192.168.0.7").url == opened


HOSTILE: list[Any] = [
    None, 7, "", [], {}, "x", "file:///etc/passwd", "//192.168.0.7/x", "concat:a|b", "rtsp:///x", "rtsp://:554/x",
    "rtsp://h:0/x", "rtsp://h:99999/x", "rtsp://h:x/x", "rtsp://h:/x", "rtsp://u@h/x", "rtsp://u:p@h/x", "rtsp://h/x#y",
    "rtsp://h/x y", "rtsp://h/x\r\nCSeq: 1", "rtsp://h/\x00", "rtsp://h/é", "rtsp://h/" + "x" * 1024, "rtsps://h/x",
    "http://h/x", "rtsp://h\\@evil/x", "rtsp://[::1/x", "rtsp+tcp://h/x",
]  # fmt: skip


@pytest.mark.parametrize("url", [*HOSTILE, "rtsp://h:22/x", "rtsp://h:443/x"])
def test_hostile_addresses_of_a_camera(url: Any) -> None:
    with pytest.raises(CameraResponseMalformed, match=r"the camera at 192\.168\.0\.7 returned an address"):
        parse_rtsp_url(url, "192.168.0.7")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://store.sunmi.com/x.flv?auth_key=1-2-3", BASE),
        ("https://live.sunmi.com/x.flv", BASE),
        ("https://live.sunmi.com:443/x.flv", BASE),
        ("https://127.0.0.1:8443/x.flv", "https://127.0.0.1:8443/openapi"),
        ("https://cdn.example/x.flv", BASE),
    ],
)
def test_the_clouds_stream_is_at_a_host_of_the_vendor(url: str, base: str) -> None:
    assert check_cloud_url(url, base, ["cdn.example"]) == url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        *((url, BASE) for url in HOSTILE),
        ("http://store.sunmi.com/x.flv", BASE),
        ("https://sunmi.com.evil.example/x.flv", BASE),
        ("https://evilsunmi.com/x.flv", BASE),
        ("https://127.0.0.1/x.flv", BASE),
        ("https://store.sunmi.com:8443/x.flv", BASE),
        ("https://store.sunmi.com@evil.example/x.flv", BASE),
        ("https://live.sunmi.com/x.flv", "https://127.0.0.1:8443/openapi"),
    ],
)
def test_hostile_addresses_of_the_cloud(url: Any, base: str) -> None:
    with pytest.raises(CloudResponseMalformed, match="the cloud returned an address"):
        check_cloud_url(url, base)
