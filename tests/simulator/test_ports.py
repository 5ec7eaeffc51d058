import socket
import sys

import pytest

from gateway.errors import StateError
from gateway.simulator import ports
from gateway.simulator.ports import find_free_port


def test_a_port_is_free_for_servers_at_all_addresses_and_not_ephemeral() -> None:
    port = find_free_port(["127.0.0.1", "127.0.0.2"])
    assert port < 32_000
    for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0"):
        with socket.create_server((host, port)) as server:
            assert server.getsockname() == (host, port)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets a port be reserved without keeping a server off it"
)
def test_a_port_is_given_once_although_nobody_listens_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    given = find_free_port()
    with monkeypatch.context() as only_one:
        only_one.setattr(ports, "_PORTS", [given])
        with pytest.raises(StateError, match="Address already in use"):
            find_free_port()
    for _ in range(ports.MAX_RESERVED):
        find_free_port()
    monkeypatch.setattr(ports, "_PORTS", [given])
    assert find_free_port() == given, "as many ports as a process may reserve were given since"


def test_the_reason_for_no_free_port_is_named() -> None:
    with pytest.raises(StateError, match=r"at 192\.0\.2\.1: Cannot assign requested address"):
        find_free_port(["192.0.2.1"])
