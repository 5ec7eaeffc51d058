"""The services of discovery report a network that they cannot use, and recover by themselves."""

import json
import sys

import pytest

from tests.netns.lab import Lab, Process

pytestmark = pytest.mark.netns

_TAKE_PORT = """
import socket, time
taken = socket.socket(type=socket.SOCK_DGRAM)
taken.bind(("", 5353))
print("taken", flush=True)
time.sleep(600)
"""


def wait_for_both(program: Process, first: str, second: str) -> None:
    """Wait for two lines in either order."""
    line = program.wait_for(" ")
    while not (first in line or second in line):
        line = program.wait_for(" ")
    program.wait_for(second if first in line else first)


def test_a_taken_port_for_multicast_dns_is_a_failure_that_ends(lab: Lab) -> None:
    gateway = lab.host("gateway")
    gateway.connect(lab.bridge("store"), "10.77.0.1/24")
    other = gateway.start(sys.executable, "-c", _TAKE_PORT)
    other.wait_for("taken")
    program = gateway.start(sys.executable, "-m", "tests.netns.services", json.dumps({"interval_s": 0.2}))
    wait_for_both(program, "advertisement fails: ", "discovery fails: mdns: Address already in use")
    other.kill()
    wait_for_both(program, "advertisement has recovered", "discovery has recovered")


def test_an_interface_that_goes_down_is_a_failure_until_it_comes_back(lab: Lab) -> None:
    gateway = lab.host("gateway")
    gateway.connect(lab.bridge("store"), "10.77.0.1/24")
    settings = {"interfaces": ["eth0"], "interval_s": 0.2}
    program = gateway.start(sys.executable, "-m", "tests.netns.services", json.dumps(settings))
    gateway.ip("link", "set", "eth0", "down")
    program.wait_for("discovery fails: discovery.interfaces: eth0 is down now")
    gateway.ip("link", "set", "eth0", "up")
    program.wait_for("discovery has recovered")
