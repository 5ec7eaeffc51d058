"""The gateway announcing itself, so that tills and installers find it without knowing its address."""

import asyncio
import contextlib
import ipaddress
import logging
import random
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from zeroconf import AddressResolverIPv4, DNSQuestionType, IPVersion  # type: ignore[attr-defined]  # not in its __all__
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.discovery.interfaces import hardware_address
from gateway.discovery.scope import ScanScope
from gateway.errors import StateError
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import DiscoverySettings

_log = logging.getLogger(__name__)

SERVICE_TYPE: Final = "_sunmi-gateway._tcp.local."
"""As what every gateway announces itself."""
_CONSOLE_TYPE: Final = "_http._tcp.local."
SHORT_HOST: Final = "sunmi-gateway.local"
_CLAIM_CHANCE: Final = 1 / 12
"""How often a look at the interfaces goes with one at the short name: about once a minute, not at equal intervals, so
that gateways that were switched on together do not ask together."""
REFRESH_INTERVAL_S: Final = 5.0
"""How often the addresses of the interfaces are looked up."""
_CLAIM_WAIT_MS: Final = 1000
_SECOND_ANSWER_S: Final = 1.0  # answers of several hosts may come half a second apart


class Advertisement:
    """Announces the service `_sunmi-gateway._tcp` and the host `sunmi-gateway-XXXX.local` on the chosen interfaces.

    XXXX are `digits`, four of them: see `own_digits`. The short name `sunmi-gateway.local` is added while no other
    gateway has it; where two took it at once, the lower address keeps it. The addresses follow the interfaces. It has
    a multicast DNS of its own beside the one that searches for cameras: each follows the interfaces in its own time,
    and port 5353 is made to be shared, also with the system's own (Avahi).
    """

    def __init__(
        self,
        settings: DiscoverySettings,
        supervisor: Supervisor,
        *,
        digits: str,
        version: str,
        refresh_interval_s: float = REFRESH_INTERVAL_S,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._refresh_interval_s = refresh_interval_s
        self._properties = {"version": version, "path": "/api/v1"}
        self.host = f"sunmi-gateway-{digits}.local"
        self._port = 0
        self._addresses: list[str] = []
        self._multicast: AsyncZeroconf | None = None
        self._announced: AsyncServiceInfo | None = None
        self._console: AsyncServiceInfo | None = None
        self._refreshing: Service | None = None

    async def start(self, port: int, https_port: int = 0) -> None:
        """Begin to announce the ports; `https_port` 0 means none. Where there is no network yet, it waits for one."""
        self._port = port
        if https_port:
            self._properties["https_port"] = str(https_port)
        self._refreshing = self._supervisor.start_periodic(
            "advertisement", self._refresh, interval_s=self._refresh_interval_s, run_at_start=True
        )

    @property
    def names(self) -> frozenset[str]:
        """The names under which this gateway is announced now: one, or none."""
        return frozenset() if self._announced is None else frozenset({self._announced.name})

    async def close(self) -> None:
        """Say goodbye to the network."""
        if self._refreshing is not None:
            await self._refreshing.stop()
        await self._withdraw()

    async def _refresh(self) -> None:
        """Follow the addresses of the interfaces, and claim the short name now and then.

        Raises `StateError` if an interface goes while it is used, or its port cannot be had.
        """
        try:
            addresses = [one.address for one in ScanScope.now(self._settings).interfaces]
            changed = addresses != self._addresses
            if changed:
                await self._withdraw()
                if addresses:
                    await self._publish(addresses)
            if addresses and (changed or random.random() < _CLAIM_CHANCE):
                await self._claim_short_host()
        except (OSError, ZeroconfError) as exc:
            await self._withdraw()
            raise StateError(f"the gateway cannot announce itself now, and tries again: {exc}") from exc

    async def _publish(self, addresses: list[str]) -> None:
        self._multicast = AsyncZeroconf(addresses, ip_version=IPVersion.V4Only)
        self._addresses = addresses
        name = self.host.removesuffix(".local")
        service = self._service(SERVICE_TYPE, name, f"{self.host}.")
        self._announced = service  # while others are asked about its name too, which may change it
        await (await self._multicast.async_register_service(service, allow_name_change=True))

    async def _withdraw(self) -> None:
        multicast, self._multicast, self._console, self._addresses = self._multicast, None, None, []
        self._announced = None
        if multicast is not None:
            with contextlib.suppress(OSError):
                await multicast.async_unregister_all_services()
            await multicast.async_close()

    async def _claim_short_host(self) -> None:
        """Take the short name where it is free, and leave it to another that has it and goes before."""
        assert self._multicast is not None  # noqa: S101  published before
        own = set(self._addresses)
        # Two gateways that ask at the same moment do not hear each other, but each heard the other's earlier answers.
        heard = _remembered(self._multicast) - own
        others = await _holders(self._addresses) - own
        if self._console is None and not others:
            self._console = self._service(_CONSOLE_TYPE, f"SUNMI gateway {self.host[14:-6].upper()}", f"{SHORT_HOST}.")
            await (await self._multicast.async_register_service(self._console, allow_name_change=True))
        elif self._console is not None and heard | others and _lowest(heard | others) < _lowest(own):
            given_up, self._console = self._console, None
            await (await self._multicast.async_unregister_service(given_up))

    def _service(self, service_type: str, name: str, host: str) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            service_type,
            f"{name}.{service_type}",
            addresses=[socket.inet_aton(address) for address in self._addresses],
            port=self._port,
            properties=self._properties,
            server=host,
        )


async def _holders(addresses: Sequence[str]) -> set[str]:
    """Return the addresses of all who answer to the short name now, asked with an empty memory."""
    async with AsyncZeroconf(list(addresses), ip_version=IPVersion.V4Only) as asking:
        resolver = AddressResolverIPv4(f"{SHORT_HOST}.")
        if await resolver.async_request(asking.zeroconf, _CLAIM_WAIT_MS, DNSQuestionType.QM):
            await asyncio.sleep(_SECOND_ANSWER_S)
        return _remembered(asking)


def _remembered(multicast: AsyncZeroconf) -> set[str]:
    """Return the addresses of all who were heard to have the short name."""
    everyone = AddressResolverIPv4(f"{SHORT_HOST}.")
    everyone.load_from_cache(multicast.zeroconf)
    return set(everyone.parsed_addresses(IPVersion.V4Only))


def _lowest(addresses: set[str]) -> ipaddress.IPv4Address:
    return min(ipaddress.IPv4Address(address) for address in addresses)


def own_digits(interfaces: Sequence[str]) -> str:
    """Return the last four digits of the MAC address; some others where no interface is there yet."""
    digits = hardware_address(interfaces).replace(":", "").replace("-", "") or secrets.token_hex(2)
    return digits[-4:].lower()
