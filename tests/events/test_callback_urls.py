"""Callback URLs: the one that a camera gets, or why there is none."""

import pytest

from gateway.cameras.record import CameraRecord
from gateway.discovery.interfaces import find_local_address
from gateway.errors import Conflict
from gateway.events.callback_urls import CallbackUrls
from gateway.settings import HookSettings


def camera(address: str) -> CameraRecord:
    return CameraRecord(sn="SN1", first_seen=0, address=address)


def callback_urls(host: str = "0.0.0.0", own: str = "192.168.1.5", **hooks: str) -> CallbackUrls:
    made = CallbackUrls(HookSettings.model_validate(hooks), host, own_address=lambda _: own)
    made.port = 8080
    return made


@pytest.mark.parametrize(
    ("host", "own", "address", "url"),
    [
        ("0.0.0.0", "192.168.1.5", "192.168.1.77:443", "http://192.168.1.5:8080/hooks/cameras/SN1"),
        ("::", "192.168.1.5", "192.168.1.77:443", "http://192.168.1.5:8080/hooks/cameras/SN1"),
        ("192.168.1.6", "192.168.1.5", "192.168.1.77:443", "http://192.168.1.6:8080/hooks/cameras/SN1"),
        ("0.0.0.0", "fd00::5", "[fd00::77]:443", "http://[fd00::5]:8080/hooks/cameras/SN1"),
        ("127.0.0.1", "192.168.1.5", "127.20.0.2:443", "http://127.0.0.1:8080/hooks/cameras/SN1"),
    ],
)
def test_the_url_that_a_camera_gets(host: str, own: str, address: str, url: str) -> None:
    assert callback_urls(host, own).for_camera(camera(address)) == url


def test_a_gateway_on_loopback_cannot_be_called_by_a_camera() -> None:
    with pytest.raises(Conflict, match=r"server\.host"):
        callback_urls("127.0.0.1").for_camera(camera("192.168.1.77:443"))
    url = callback_urls("127.0.0.1", camera_url="http://10.0.0.1").for_camera(camera("192.168.1.77:443"))
    assert url == "http://10.0.0.1/hooks/cameras/SN1", "somebody passes it on"


def test_a_camera_without_an_address_has_no_callback() -> None:
    with pytest.raises(Conflict, match="run discovery"):
        callback_urls().for_camera(camera(""))


@pytest.mark.parametrize("host", ["camera.store", "x" * 70, "a..b", "999.1.1.1"])
def test_a_name_is_not_looked_up(host: str) -> None:
    made = CallbackUrls(HookSettings(), "0.0.0.0")
    made.port = 8080
    with pytest.raises(Conflict, match=r"hooks\.camera_url"):
        made.for_camera(camera(f"{host}:443"))


def test_the_systems_routes_tell_this_machines_address() -> None:
    assert find_local_address("127.20.0.9") == "127.0.0.1"
    assert find_local_address("::1") == "::1"
    with pytest.raises(OSError, match=r".+"):
        find_local_address("no address")
