import socket

import pytest

from gateway.errors import StateError
from gateway.simulator.ports import find_free_port


def test_a_port_is_free_at_all_addresses_and_not_ephemeral() -> None:
    port = find_free_port(["127.0.0.1", "127.0.0.2"])
    assert port < 32_000
    for host in ("127.0.0.1", "127.0.0.2"):
        with socket.socket() as taken:
            taken.bind((host, port))


def test_the_reason_for_no_free_port_is_named() -> None:
    with pytest.raises(StateError, match=r"at 192\.0\.2\.1: Cannot assign requested address"):
        find_free_port(["192.0.2.1"])
