"""Which addresses a camera may have, and what a person is told of the others."""

import pytest

from gateway.protocol.camera_address import find_address_problem


@pytest.mark.parametrize(
    "address",
    ["192.168.1.20", "192.168.1.20:443", "127.0.0.1:8443", "camera.local", "door-1:443", "localhost", "169.254.3.4"],
)
def test_addresses_of_cameras(address: str) -> None:
    assert find_address_problem(address) == ""


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("::1", "IPv6"),
        ("[fe80::1]:443", "IPv6"),
        ("fe80::1%eth0", "IPv6"),
        ("0.0.0.0", "every address of this machine"),
        ("2130706433", "four numbers"),
        ("0x7f000001", "four numbers"),
        ("127.1:443", "four numbers"),
        ("192.168.1.300", "four numbers"),
        ("192.168.001.2", "four numbers"),
        ("224.0.0.251", "many hosts"),
        ("255.255.255.255:443", "many hosts"),
        ("192.168.1.20:0", "port"),
        ("192.168.1.20:443443443", "port"),
        ("192.168.1.20:", "port"),
        ("", "neither"),
        ("a b", "neither"),
        ("a..b", "neither"),
        ("a" * 64 + ".local:443", "neither"),
        (".".join(["a" * 60] * 5), "neither"),
        ("https", ""),
        ("-x", "neither"),
        ("camera/../x", "neither"),
    ],
)
def test_other_addresses_get_a_sentence(address: str, problem: str) -> None:
    found = find_address_problem(address)
    assert problem in found
    assert bool(found) == bool(problem)
