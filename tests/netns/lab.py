"""A network of hosts in namespaces of the kernel: real interfaces, real broadcasts, and no way out.

    with Lab() as lab:
        store = lab.bridge("store")
        gateway, camera = lab.host("gateway"), lab.host("camera")
        gateway.connect(store, "10.77.0.1/24")
        camera.connect(store, "10.77.0.2/24", interface="wlan0")
        server = camera.start(sys.executable, "-m", "some.module")
        server.wait_for("ready")
        print(gateway.run("ping", "-c1", "10.77.0.2"))
        camera.ip("link", "set", "wlan0", "down")

Everything sits in one outer set of namespaces, whose first process ends when this one does: then the kernel removes
whatever is left. Programs run in the repository's root, as root, and every wait for them is bounded. No host has a
default route, as in a network without a router. Needs root, and Debian's iproute2 and util-linux.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from tests.forking import needs_python
from tests.netns.forking import ForkedProgram

ROOT = Path(__file__).parents[2]
PATIENCE_S: Final = 120.0
"""How long is waited for a program by default, in seconds. Only one that hangs takes so long."""

_FIRST_PROCESS = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
ip link set lo up
for switch in /proc/sys/net/bridge/bridge-nf-call-*; do [ -e "$switch" ] && echo 0 > "$switch"; done || true
echo ready
while read -r _; do :; done
"""


def why_not() -> str | None:
    """Return why there can be no lab here, or None."""
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"network namespaces are refused: {tried.stderr.decode().strip()}"


@dataclass(frozen=True)
class SlowLink:
    """A bad radio link: what the host sends is late by a random time, and some of it is lost.

    With `both_ways` so is what it receives. This does what `tc qdisc … netem delay 120ms 80ms loss 2%` does, a part of
    the kernel that is often left out.
    """

    delay_ms: int = 120
    jitter_ms: int = 80
    loss: float = 0.02
    both_ways: bool = False


class Process:
    """A program running in the lab, with its output (both streams) read line by line."""

    def __init__(self, process: "subprocess.Popen[str] | ForkedProgram", *command: str) -> None:
        self._command = " ".join(command)
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.output: list[str] = []
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def wait_for(self, text: str, *, timeout_s: float = PATIENCE_S) -> str:
        """Return the next line that holds the text. Fails the test when it does not come in time."""
        end = time.monotonic() + timeout_s
        while True:
            line = self._next(end)
            if line is None:
                raise AssertionError(
                    f"{self._command}: no {text!r} within {timeout_s} s in:\n" + "\n".join(self.output)
                )
            if text in line:
                return line

    def finish(self, *, timeout_s: float = PATIENCE_S) -> str:
        """Wait for the program's end; return its output. Fails the test unless it ends in time with status 0."""
        end = time.monotonic() + timeout_s
        while self._next(end) is not None:
            pass
        output = "\n".join(self.output)
        try:
            status = self._process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self._command}: still running after {timeout_s} s:\n{output}") from None
        assert status == 0, f"{self._command}: status {status}:\n{output}"
        return output

    def terminate(self) -> None:
        """Ask the program to end, and go on."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the program now, with all that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._reader.join(10)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _next(self, end: float) -> str | None:
        try:
            line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return None
        if line is not None:
            self.output.append(line)
        return line


class Host:
    """One host of the lab, in a network namespace of its own."""

    def __init__(self, lab: "Lab", name: str) -> None:
        self._lab = lab
        self.name = name

    def connect(
        self, bridge: str, *addresses: str, interface: str = "eth0", mac: str = "", slow: SlowLink | None = None
    ) -> None:
        """Give the host an interface on a bridge, with addresses like 10.77.0.1/24."""
        port = self._lab.new_port_name()
        if slow is None:
            self._lab.run("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", self.name)
        else:
            far = f"{port}f"
            ways = "both" if slow.both_ways else "one"
            link = self._lab.start(
                sys.executable, str(ROOT / "tests/netns/slow_link.py"), port, far,
                str(slow.delay_ms), str(slow.jitter_ms), str(slow.loss), ways,
            )  # fmt: skip
            link.wait_for("ready")
            self._lab.run("ip", "link", "set", far, "netns", self.name, "name", interface)
        self._lab.run("ip", "link", "set", port, "master", bridge, "up")
        if mac:
            self.ip("link", "set", interface, "address", mac)
        for address in addresses:
            self.ip("address", "add", address, "brd", "+", "dev", interface)
        self.ip("link", "set", interface, "up")

    def ip(self, *arguments: str) -> str:
        """Run `ip` in the host, to change addresses, links and routes."""
        return self._lab.run("ip", "-n", self.name, *arguments)

    def run(self, *command: str, timeout_s: float = PATIENCE_S) -> str:
        """Run a program in the host to its end; return its output. Fails the test unless its status is 0."""
        return self.start(*command).finish(timeout_s=timeout_s)

    def start(self, *command: str) -> Process:
        """Start a program in the host; it is killed with the lab at the latest."""
        python, option, *words = (*command, "", "")
        if (python, option) == (sys.executable, "-m") and not needs_python({}):
            return self._lab.fork(self.name, *words[:-2])
        return self._lab.start("ip", "netns", "exec", self.name, "env", "-C", str(ROOT), *command)


class Lab:
    """The outer namespaces and everything in them."""

    def __enter__(self) -> Self:
        self._ports = 0
        self._processes: list[Process] = []
        self._outer = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", _FIRST_PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._outer.stdout is not None
        assert self._outer.stdout.readline() == "ready\n", "the lab did not come up"
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text(encoding="ascii")
        self._first_process = children.split()[0]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._outer.stdin is not None
        assert self._outer.stdout is not None
        self._outer.stdin.close()  # its first process reads the end and goes, and the kernel takes the rest
        self._outer.stdout.close()
        try:
            self._outer.wait(10)
        except subprocess.TimeoutExpired:
            self._outer.kill()
            self._outer.wait(10)
        for process in self._processes:
            process.kill()

    def bridge(self, name: str) -> str:
        """Make a network that hosts can be connected to; return its name."""
        # Multicast snooping drops multicast where nobody asks for memberships.
        self.run("ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        self.run("ip", "link", "set", name, "up")
        return name

    def host(self, name: str) -> Host:
        """Make a host with nothing but loopback."""
        self.run("ip", "netns", "add", name)
        self.run("ip", "-n", name, "link", "set", "lo", "up")
        return Host(self, name)

    def run(self, *command: str, timeout_s: float = PATIENCE_S) -> str:
        """Run a program beside the hosts, where the bridges are; return its output."""
        return self.start(*command).finish(timeout_s=timeout_s)

    def start(self, *command: str) -> Process:
        """Start a program beside the hosts."""
        process = subprocess.Popen(
            ["nsenter", "--target", self._first_process, "--net", "--mount", "--pid", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(Process(process, *command))
        return self._processes[-1]

    def fork(self, host: str, module: str, *words: str) -> Process:
        """Start a module as a program in a host."""
        process = ForkedProgram(self._first_process, host, ROOT, module, words)
        self._processes.append(Process(process, module, *words))
        return self._processes[-1]

    def new_port_name(self) -> str:
        """Return the name of another port of a bridge."""
        self._ports += 1
        return f"port{self._ports}"
