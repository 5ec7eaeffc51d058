"""Advertises the gateway by multicast DNS, so that tills and installers find it without knowing its address."""

import asyncio
import contextlib
import hashlib
import ipaddress
import random
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from zeroconf import AddressResolverIPv4, DNSQuestionType, IPVersion  # type: ignore[attr-defined]  # not in its __all__
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from firmware_tools.language import message
from gateway.discovery.interfaces import find_mac_address
from gateway.discovery.scope import ScanScope
from gateway.errors import NetworkError
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import DiscoverySettings

SERVICE_TYPE: Final = "_sunmi-gateway._tcp.local."
"""The service type of every gateway."""
SHORT_HOST: Final = "sunmi-gateway.local"
"""The host name that one gateway on the network may have."""
REFRESH_INTERVAL_S: Final = 5.0
"""How often the addresses of the interfaces are looked up."""
_CONSOLE_TYPE: Final = "_http._tcp.local."
_CLAIM_PROBABILITY: Final = 1 / 12
"""How often a refresh also claims the short host name: about once a minute. It is random, so that gateways that were
switched on together do not query at the same moment."""
_QUERY_TIMEOUT_MS: Final = 1000
_LATE_RESPONSE_S: Final = 1.0
"""How long to wait for further responses: those of several hosts may arrive half a second apart."""


class Advertisement:
    """Advertises the service `_sunmi-gateway._tcp` and the host `sunmi-gateway-XXXX.local` on the chosen interfaces.

    XXXX is the host suffix. The host name `sunmi-gateway.local` is added while no other gateway has it. If two claimed
    it at once, the one with the lower address keeps it. The advertised addresses follow the interfaces.

    It opens sockets of its own besides those that search for cameras. Port 5353 is made to be shared, also with the
    operating system's own service (Avahi).
    """

    def __init__(
        self,
        settings: DiscoverySettings,
        supervisor: Supervisor,
        *,
        host_suffix: str,
        version: str,
        account: str = "",
        refresh_interval_s: float = REFRESH_INTERVAL_S,
    ) -> None:
        """Take a digest of the account, by which two gateways of one account know each other."""
        self._settings = settings
        self._supervisor = supervisor
        self._refresh_interval_s = refresh_interval_s
        self.account = account
        self._properties = {"version": version, "path": "/api/v1"} | ({"account": account} if account else {})
        self.host = f"sunmi-gateway-{host_suffix}.local"
        self._port = 0
        self._addresses: list[str] = []
        """The addresses that are advertised."""
        self._zeroconf: AsyncZeroconf | None = None
        self._gateway_info: AsyncServiceInfo | None = None
        """What is advertised of this gateway."""
        self._console_info: AsyncServiceInfo | None = None
        """What is advertised under the short host name, if this gateway has it."""
        self._service: Service | None = None

    async def start(self, port: int, https_port: int = 0) -> None:
        """Start to advertise the ports; `https_port` 0 means none. Without a network it waits for one."""
        self._port = port
        if https_port:
            self._properties["https_port"] = str(https_port)
        self._service = self._supervisor.start_periodic(
            "advertisement", self._refresh, interval_s=self._refresh_interval_s, run_at_start=True
        )

    @property
    def service_names(self) -> frozenset[str]:
        """The names of the service under which this gateway is advertised now: one, or none."""
        return frozenset() if self._gateway_info is None else frozenset({self._gateway_info.name})

    async def close(self) -> None:
        """Tell the network that the gateway leaves, and stop."""
        if self._service is not None:
            await self._service.stop()
        await self._withdraw()

    async def _refresh(self) -> None:
        """Follow the addresses of the interfaces, and claim the short host name now and then.

        After a failure it starts from the beginning. Raises `NetworkError` if an interface disappears while it is used,
        or its port is taken.
        """
        try:
            addresses = [interface.address for interface in ScanScope.detect(self._settings).interfaces]
            changed = addresses != self._addresses
            if changed:
                await self._withdraw()
                if addresses:
                    await self._publish(addresses)
            if addresses and (changed or random.random() < _CLAIM_PROBABILITY):
                await self._claim_short_host()
        except Exception as exc:
            await self._withdraw()
            if isinstance(exc, OSError | ZeroconfError):
                raise NetworkError(
                    message("the gateway cannot be advertised by multicast DNS: {reason}", reason=exc)
                ) from exc
            raise

    async def _publish(self, addresses: list[str]) -> None:
        self._zeroconf = AsyncZeroconf(addresses, ip_version=IPVersion.V4Only)
        info = self._build_info(SERVICE_TYPE, self.host.removesuffix(".local"), f"{self.host}.", addresses)
        self._gateway_info = info  # at once, since the registration may change its name
        await (await self._zeroconf.async_register_service(info, allow_name_change=True))
        self._addresses = addresses  # last, so that a publication that was cut off is made again

    async def _withdraw(self) -> None:
        zeroconf, self._zeroconf = self._zeroconf, None
        self._gateway_info = self._console_info = None
        self._addresses = []
        if zeroconf is not None:
            try:
                with contextlib.suppress(OSError):
                    await zeroconf.async_unregister_all_services()
            finally:
                await zeroconf.async_close()

    async def _claim_short_host(self) -> None:
        """Take the short host name if it is free, and give it up to a gateway that has it and a lower address."""
        assert self._zeroconf is not None  # noqa: S101  published before
        own = set(self._addresses)
        # Gateways that query at the same moment miss each other, but each has cached the other's earlier responses.
        cached = _cached_short_host(self._zeroconf) - own
        others = await _query_short_host(self._addresses) - own
        if self._console_info is None and not others:
            name = f"SUNMI gateway {self.host[14:-6].upper()}"
            self._console_info = self._build_info(_CONSOLE_TYPE, name, f"{SHORT_HOST}.", self._addresses)
            await (await self._zeroconf.async_register_service(self._console_info, allow_name_change=True))
        elif self._console_info is not None and cached | others and _lowest(cached | others) < _lowest(own):
            info, self._console_info = self._console_info, None
            await (await self._zeroconf.async_unregister_service(info))

    def _build_info(self, service_type: str, name: str, host: str, addresses: Sequence[str]) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            service_type,
            f"{name}.{service_type}",
            addresses=[socket.inet_aton(address) for address in addresses],
            port=self._port,
            properties=self._properties,
            server=host,
        )


def digest_account(app_id: str) -> str:
    """Return what an account is announced as; an empty text if there is none."""
    return hashlib.sha256(app_id.encode()).hexdigest()[:12] if app_id else ""


def create_host_suffix(interfaces: Sequence[str]) -> str:
    """Return the last four digits of the machine's MAC address, or random ones if no interface has one yet."""
    digits = find_mac_address(interfaces).replace(":", "").replace("-", "") or secrets.token_hex(2)
    return digits[-4:].lower()


async def _query_short_host(addresses: Sequence[str]) -> set[str]:
    """Return the addresses of all hosts that have the short host name now, as seen with an empty cache."""
    async with AsyncZeroconf(list(addresses), ip_version=IPVersion.V4Only) as zeroconf:
        resolver = AddressResolverIPv4(f"{SHORT_HOST}.")
        if await resolver.async_request(zeroconf.zeroconf, _QUERY_TIMEOUT_MS, DNSQuestionType.QM):
            await asyncio.sleep(_LATE_RESPONSE_S)
        return _cached_short_host(zeroconf)


def _cached_short_host(zeroconf: AsyncZeroconf) -> set[str]:
    """Return the addresses of all hosts that have announced the short host name."""
    resolver = AddressResolverIPv4(f"{SHORT_HOST}.")
    resolver.load_from_cache(zeroconf.zeroconf)
    return set(resolver.parsed_addresses(IPVersion.V4Only))


def _lowest(addresses: set[str]) -> ipaddress.IPv4Address:
    return min(ipaddress.IPv4Address(address) for address in addresses)
