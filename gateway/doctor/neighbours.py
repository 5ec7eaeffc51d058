"""Checks of who else is on the network: another gateway, and hosts that cannot be reached though they are there."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import netifaces
from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from firmware_tools.language import describe_error, join, message
from gateway.discovery.advertisement import SERVICE_TYPE
from gateway.discovery.interfaces import Interface
from gateway.discovery.scope import ScanScope
from gateway.doctor.check import CheckContext, Finding
from gateway.doctor.linux import is_wireless, list_neighbours

_BROWSE_S: Final = 2.5
_CONNECT_TIMEOUT_S: Final = 1.5
_MAX_HOSTS: Final = 16
_PORTS: Final = (80, 443, 53)


async def check_second_gateway(context: CheckContext) -> list[Finding]:
    """Look for another gateway on the same network: two would fight for cameras and send everything twice."""
    used = ScanScope.detect(context.settings.discovery).interfaces
    if not used:
        return [Finding("skipped", message("there is no interface to use"))]
    own = context.gateway.advertisement.service_names if context.gateway is not None else frozenset()
    try:
        found = await _browse_gateways([interface.address for interface in used])
    except (OSError, ZeroconfError) as exc:
        return [Finding("skipped", message("multicast DNS cannot be used now"), describe_error(exc))]
    others = {name: where for name, where in found.items() if name not in own}
    if others:
        return [describe_others(others, context.gateway.advertisement.account if context.gateway is not None else "")]
    return [
        Finding(
            "ok", message("no other gateway is on this network"), message("listened {browse_s} s", browse_s=_BROWSE_S)
        )
    ]


class OtherGateway(NamedTuple):
    """Another gateway on the network, as it announces itself."""

    where: str
    """Its addresses, with the port."""
    account: str
    """Names its account, without giving it away; empty if it has none or did not say."""


def describe_others(others: Mapping[str, OtherGateway], account: str) -> Finding:
    """Return what is wrong with other gateways: those of this account, if there are some, take its cameras' events."""
    same = {name: one for name, one in others.items() if account and one.account == account}
    gateways = join(
        "; ",
        [
            message("{gateway} at {address}", gateway=name.removesuffix("." + SERVICE_TYPE), address=one.where)
            for name, one in (same or others).items()
        ],
    )
    advice = message("use one gateway for a store: stop the other one, or separate their networks")
    if not same:
        return Finding(
            "warning", message("other gateways on this network: {count}", count=len(others)), gateways, advice
        )
    evidence = message(
        "{gateways}; a camera reports its events to the gateway that subscribed last, and the other gets none",
        gateways=gateways,
    )
    what = message("other gateways of this account on this network: {count}", count=len(same))
    return Finding("failed", what, evidence, advice)


async def _browse_gateways(addresses: list[str]) -> dict[str, OtherGateway]:
    """Return the gateways that announce themselves, by name."""
    found: dict[str, OtherGateway] = {}
    loop = asyncio.get_running_loop()
    until = loop.time() + _BROWSE_S
    resolving: set[asyncio.Task[None]] = set()

    async def resolve(zeroconf: Zeroconf, name: str) -> None:
        found[name] = OtherGateway(message("an unknown address"), "")
        service = AsyncServiceInfo(SERVICE_TYPE, name)
        # Multicast questions: a unicast answer would reach only one of the programs here that share port 5353.
        if await service.async_request(zeroconf, (until - loop.time()) * 1000, DNSQuestionType.QM):
            found[name] = OtherGateway(
                ", ".join(f"{address}:{service.port}" for address in service.parsed_addresses(IPVersion.V4Only)),
                service.decoded_properties.get("account") or "",
            )

    def on_change(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            found.pop(name, None)
        else:
            resolving.add(asyncio.create_task(resolve(zeroconf, name)))

    async with AsyncZeroconf(addresses, ip_version=IPVersion.V4Only) as multicast:
        browser = AsyncServiceBrowser(
            multicast.zeroconf, [SERVICE_TYPE], handlers=[on_change], question_type=DNSQuestionType.QM
        )
        try:
            await asyncio.sleep(until - loop.time())
        finally:
            for task in resolving:
                task.cancel()
            await asyncio.gather(*resolving, return_exceptions=True)
            await browser.async_cancel()
    return found


async def check_client_isolation(context: CheckContext) -> list[Finding]:
    """See on each network whether hosts reach each other, or only the router (client isolation)."""
    result = await context.scan()
    answered = [device.address.rpartition(":")[0] for device in (*result.devices, *result.unidentified)]
    known = [
        address.rpartition(":")[0]
        for camera in context.running_gateway.registry.all()
        for address in camera.candidate_addresses()
    ]
    used = [
        interface for interface in ScanScope.detect(context.settings.discovery).interfaces if not interface.is_loopback
    ]
    if not used:
        return [Finding("skipped", message("discovery uses no network but this machine's own"))]
    return list(await asyncio.gather(*(_check_isolation(interface, answered, known) for interface in used)))


async def _check_isolation(interface: Interface, answered: Iterable[str], known: Iterable[str]) -> Finding:
    medium = message("Wi-Fi") if is_wireless(interface.name) else message("network")
    router = _find_router(interface.name)
    if any(_is_in_network(host, interface) for host in answered):
        return Finding(
            "ok",
            message("{interface}: hosts of this {medium} answer each other", interface=interface.name, medium=medium),
            message("cameras answered"),
        )
    peers = dict.fromkeys(
        host for host in (*known, *list_neighbours(interface.name)) if _is_in_network(host, interface)
    )
    tried = [host for host in peers if host not in (router, interface.address)][:_MAX_HOSTS]
    reached = [host for host, there in zip(tried, await _probe_hosts(tried), strict=True) if there]
    if reached:
        return Finding(
            "ok",
            message("{interface}: hosts of this {medium} answer each other", interface=interface.name, medium=medium),
            message("answered: {reached}", reached=", ".join(reached)),
        )
    if not tried:
        return Finding(
            "skipped", message("{interface}: no host but the router is known there yet", interface=interface.name)
        )
    silent = message("no answer from {tried}", tried=", ".join(tried))
    if not router or not (await _probe_hosts([router]))[0]:
        advice = message("check cable and Wi-Fi, and whether those hosts are switched on")
        return Finding(
            "warning",
            message("{interface}: nobody answers on this {medium}", interface=interface.name, medium=medium),
            silent,
            advice,
        )
    advice = message(
        "switch off client isolation (AP isolation, guest network) for this network in the "
        "access point, or connect gateway and cameras by cable"
    )
    what = message(
        "{interface}: only the router answers on this {medium}, which looks like client isolation",
        interface=interface.name,
        medium=medium,
    )
    return Finding(
        "warning", what, message("{silent}; {router} (router) answers", silent=silent, router=router), advice
    )


async def _probe_hosts(hosts: list[str]) -> list[bool]:
    """Return for each host whether it is there: it accepts a connection, or refuses it."""

    async def probe_port(host: str, port: int) -> bool:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            return True
        except OSError:  # TimeoutError among them
            return False
        writer.transport.abort()
        return True

    async def probe_ports(host: str) -> bool:
        return any(await asyncio.gather(*(probe_port(host, port) for port in _PORTS)))

    return await asyncio.gather(*map(probe_ports, hosts))


def _is_in_network(host: str, interface: Interface) -> bool:
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return host in interface


def _find_router(interface: str) -> str:
    """Return the router by which an interface leads to the rest of the world, or nothing."""
    with contextlib.suppress(OSError, KeyError):
        ways: Any = netifaces.gateways()
        return next((str(way[0]) for way in ways.get(netifaces.AF_INET, []) if way[1] == interface), "")
    return ""
