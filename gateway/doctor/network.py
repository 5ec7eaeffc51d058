"""Checks of the local network: interfaces, ports, and what can be sent to everyone and is received."""

import asyncio
import errno
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from firmware_tools.language import count_message, describe_error, message
from gateway.discovery.device_binding import can_bind_to_interface
from gateway.discovery.interfaces import Interface, find_unused_interfaces
from gateway.discovery.scope import MAX_NETWORK_ADDRESSES, ScanScope
from gateway.doctor.check import CheckContext, Finding
from gateway.doctor.linux import find_port_holder
from gateway.protocol.discovery_frames import encode_request
from gateway.storage.state_directory import StateDirectory

_LISTEN_S: Final = 1.5
_GROUP: Final = "224.0.0.251"
_MDNS_PORT: Final = 5353
_QUESTION: Final = (
    struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01"
)
"""Which services there are (RFC 6763, section 9): every host that speaks multicast DNS may answer."""


async def check_interfaces(context: CheckContext) -> list[Finding]:
    """Look at the interfaces that discovery uses, and at their networks."""
    scope = ScanScope.detect(context.settings.discovery)
    findings = [
        Finding(
            "failed" if not scope.interfaces else "warning",
            problem,
            what_to_do=message("connect it, or correct discovery.interfaces"),
        )
        for problem in scope.problems
    ]
    for interface in scope.interfaces:
        network, what = (
            interface.network,
            message(
                "{interface} is {interface_address} in {network}",
                interface=interface.name,
                interface_address=interface.address,
                network=interface.network,
            ),
        )
        if interface.is_loopback:
            findings.append(Finding("ok", what, message("discovery.interfaces confines everything to this machine")))
        elif network.is_link_local:
            advice = message("check the cable, and that the router gives out addresses (DHCP)")
            findings.append(Finding("warning", what, message("this machine got no address from the network"), advice))
        elif network.num_addresses > MAX_NETWORK_ADDRESSES and not scope.named:
            advice = message(
                'name it, interfaces = ["{interface}"] in [discovery], to sweep it anyway', interface=interface.name
            )
            findings.append(Finding("warning", what, message("too large to be swept for cameras"), advice))
        else:
            findings.append(Finding("ok", what))
    findings += [
        Finding("skipped", message("{unused}: it is not used", unused=unused)) for unused in find_unused_interfaces()
    ]
    return findings + _check_shared_networks(scope)


def _check_shared_networks(scope: ScanScope) -> list[Finding]:
    shared = [interface for interface in scope.interfaces if interface.shares_network]
    if not shared:
        return []
    names = sorted({interface.name for interface in shared})
    if len(names) == 1:
        what = message("{name} is in a network with another interface", name=names[0])
    else:
        what = message("{names} are in a network with another interface", names=" and ".join(names))
    if all(can_bind_to_interface(name) for name in names):
        evidence = message("each camera is called through the interface where it was seen last")
        return [Finding("ok", what, evidence)]
    evidence = message("calls leave by one of them, on whichever the camera is")
    advice = message("unplug one of them, or give it addresses of another network")
    return [Finding("warning", what, evidence, advice)]


async def check_server_ports(context: CheckContext) -> list[Finding]:
    """See whether the ports for tills are served, or else can be had."""
    settings = context.settings.server
    served = StateDirectory.load_address(context.settings.state_directory)
    if served and context.gateway is not None:
        return [Finding("ok", message("tills are served at {served}", served=served))]
    findings = []
    for key, port in (("port", settings.port), ("https_port", settings.https_port)):
        if not port:
            continue
        try:
            with socket.create_server((settings.host, port)):
                findings.append(Finding("ok", message("TCP port {port} is free (server.{key})", port=port, key=key)))
        except OSError as exc:
            advice = message("end the other program, or set another port")
            if exc.errno in (errno.EACCES, errno.EPERM):
                advice = message(
                    "end the other program, or ports below 1024 need a right that the packaged service has; set "
                    "another port"
                )
            what = message("TCP port {port} is not available (server.{key}): {reason}", port=port, key=key, reason=exc)
            findings.append(Finding("failed", what, find_port_holder("tcp", port), advice))
    return findings or [Finding("ok", message("the gateway chooses free ports for tills"))]


async def check_discovery_port(context: CheckContext) -> list[Finding]:
    """See whether the port of the vendor's discovery can be shared."""
    port = context.settings.discovery.broadcast_port
    scope = ScanScope.detect(context.settings.discovery)
    for interface in scope.interfaces:
        try:
            _bind_socket(interface.address, port).close()
        except OSError as exc:
            what = message(
                "UDP port {port} is not available on {interface}: {reason}",
                port=port,
                interface=interface.name,
                reason=exc,
            )
            advice = message("end the other program: cameras that answer to that port are not found")
            return [Finding("warning", what, find_port_holder("udp", port), advice)]
    if not scope.interfaces:
        return [Finding("skipped", message("there is no interface to use"))]
    return [Finding("ok", message("UDP port {port} can be used", port=port))]


async def check_broadcast(context: CheckContext) -> list[Finding]:
    """Send a discovery request to everyone on each interface, and hear it."""
    port = context.settings.discovery.broadcast_port

    async def send(interface: Interface) -> _Received:
        # Bound to the broadcast address, it takes no datagram that is meant for the discovery's own sockets.
        receiver = _bind_socket(interface.broadcast if sys.platform == "linux" else "", port)
        return await _send_and_listen(interface, receiver, encode_request(), (interface.broadcast, port))

    return await _test_each(context, message("a broadcast to UDP port {port}", port=port), send)


async def check_multicast(context: CheckContext) -> list[Finding]:
    """Ask everyone by multicast DNS on each interface, and hear the question."""

    async def send(interface: Interface) -> _Received:
        receiver = _bind_socket(_GROUP if sys.platform == "linux" else "", _MDNS_PORT, shared=True)
        return await _send_and_listen(interface, receiver, _QUESTION, (_GROUP, _MDNS_PORT))

    return await _test_each(context, message("multicast to {group}", group=_GROUP), send)


async def check_discovery(context: CheckContext) -> list[Finding]:
    """Search for cameras with every method, once."""
    result = await context.scan()
    findings = []
    seen = {device.sn or device.address for device in (*result.devices, *result.unidentified)}
    for name, method in result.methods.items():
        what = message("{name} found cameras: {found} of {count}", name=name, found=method.found, count=len(seen))
        if method.error:
            findings.append(Finding("warning", what, method.error, message("see the findings on interfaces and ports")))
        elif name == "broadcast" and seen and not method.found:
            advice = message("let the switch or access point pass broadcasts on; the other methods work meanwhile")
            findings.append(Finding("warning", what, message("some cameras do not answer a broadcast"), advice))
        elif seen and not method.found:
            what = message("{name} ran without an error and found no camera", name=name)
            findings.append(Finding("ok", what, message("other methods found cameras, and one is enough")))
        else:
            findings.append(Finding("ok", what))
    return findings


class _Received(NamedTuple):
    own: bool
    others: set[str]


async def _test_each(
    context: CheckContext, what: str, send: Callable[[Interface], Awaitable[_Received]]
) -> list[Finding]:
    used = ScanScope.detect(context.settings.discovery).interfaces
    if not used:
        return [Finding("skipped", message("there is no interface to use"))]
    return list(await asyncio.gather(*(_test_interface(interface, what, send) for interface in used)))


async def _test_interface(
    interface: Interface, what: str, send: Callable[[Interface], Awaitable[_Received]]
) -> Finding:
    try:
        received = await send(interface)
    except OSError as exc:
        advice = message("a firewall on this machine may forbid it, or the network lacks a route")
        return Finding(
            "failed",
            message("{what} cannot be sent on {interface}", what=what, interface=interface.name),
            describe_error(exc),
            advice,
        )
    count = len(received.others)
    answered = message("no host answered")
    if received.others:
        hosts = ", ".join(sorted(received.others)[:5])
        answered = count_message(
            "{count} host answered: {hosts}", "{count} hosts answered: {hosts}", count, hosts=hosts
        )
    if not received.own:
        advice = message("let the firewall of this machine accept it; nft list ruleset shows its rules")
        return Finding(
            "failed",
            message("{what} was sent on {interface}, but it is not received", what=what, interface=interface.name),
            answered,
            advice,
        )
    return Finding(
        "ok", message("{what} is sent and received on {interface}", what=what, interface=interface.name), answered
    )


async def _send_and_listen(
    interface: Interface, receiver: socket.socket, message: bytes, target: tuple[str, int]
) -> _Received:
    """Send a message from the interface's address, and listen for it and for answers to it."""
    loop = asyncio.get_running_loop()
    with receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        if target[0] == _GROUP:
            member = socket.inet_aton(_GROUP) + socket.inet_aton(interface.address)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface.address))
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.bind((interface.address, 0))
        own = sender.getsockname()
        sender.sendto(message, target)
        received = False
        others: set[str] = set()
        end = time.monotonic() + _LISTEN_S

        async def listen(opened: socket.socket) -> None:
            nonlocal received
            while (left := end - time.monotonic()) > 0:
                try:
                    _, source = await asyncio.wait_for(loop.sock_recvfrom(opened, 9000), left)
                except TimeoutError:
                    return
                received = received or source == own
                if opened is sender and source[0] != interface.address:
                    others.add(source[0])

        await asyncio.gather(listen(receiver), listen(sender))
    return _Received(received, others)


def _bind_socket(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a UDP socket that shares its port as the discovery's do; `shared` as multicast DNS does."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT") and (shared or sys.platform == "darwin"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened
