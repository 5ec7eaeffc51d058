"""A device that discovery can meet: it answers frames, shows a certificate over TLS, and announces itself if told to.

As a program: `python -m tests.discovery.device SN=ADDRESS …` plays cameras at addresses of this machine, with HTTPS
at port 443, and says `ready`. Options: `--quiet` answers no frames, `--no-https`, `--mdns` announces by multicast DNS,
`--port` is that of the frames.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import netifaces
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.protocol.discovery_frames import (
    BROADCAST_PORT,
    Announcement,
    MalformedFrame,
    encode_announcement,
    is_request,
)
from gateway.simulator.certificates import camera_context

AnswersTo = Literal["source", "port", "broadcast"]

received_over_tls: list[bytes] = []
"""What each HTTPS service of this process got: one byte, or an empty text where nothing was sent."""


@dataclass
class Device(asyncio.DatagramProtocol):
    """One device at one address. `answers_to` says where its frames go; `frame` replaces what it answers."""

    host: str
    sn: str = "C201D0000001"
    model: str = "FS1"
    port: int = BROADCAST_PORT
    answers_to: AnswersTo = "source"
    mac: str = "0412 24E3 4512"
    network: str = ""
    frame: bytes | None = None
    requests: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transports = []
        everyone = [] if ipaddress.IPv4Address(self.host).is_loopback else ["255.255.255.255"]
        for address in [self.host, self._broadcast, *everyone]:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            opened.bind((address, self.port))
            transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=opened)
            self._transports.append(transport)
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            if not is_request(data):
                return
        except MalformedFrame:
            return
        self.requests.append(addr[0])
        told = Announcement(
            sn=self.sn,
            ip="10.9.9.9",
            mac=self.mac,
            model=self.model,
            firmware="1.2.3",
            name="door",
            network=self.network,
        )
        host, port = addr
        target = {"source": (host, port), "port": (host, self.port), "broadcast": (self._broadcast, self.port)}
        answer = encode_announcement(told) if self.frame is None else self.frame
        self._transports[0].sendto(answer, target[self.answers_to])

    @property
    def _broadcast(self) -> str:
        for name in netifaces.interfaces():
            for entry in netifaces.ifaddresses(name).get(netifaces.AF_INET, []):
                if "netmask" not in entry:
                    continue
                network = ipaddress.IPv4Network((entry["addr"], entry["netmask"]), strict=False)
                if ipaddress.IPv4Address(self.host) in network:
                    return str(network.broadcast_address)
        raise AssertionError(f"{self.host} is not in a network of this machine")


async def https(host: str, port: int, context: ssl.SSLContext | None = None) -> asyncio.Server:
    """Listen like a camera's HTTPS service, with the vendor's kind of certificate unless told otherwise."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # the scan is over
            received_over_tls.append(await reader.read(1))
        writer.close()

    return await asyncio.start_server(
        serve, host, port, ssl=context or camera_context(changed=False, client_certificate=False)
    )


async def announce(multicast: AsyncZeroconf, sn: str, host: str) -> None:
    """Announce a camera by multicast DNS, in the way that is most likely."""
    service = AsyncServiceInfo(
        "_https._tcp.local.",
        f"FM020 {sn}._https._tcp.local.",
        addresses=[socket.inet_aton(host)],
        port=443,
        server=f"{sn}.local.",
    )
    await (await multicast.async_register_service(service))


async def play(cameras: Sequence[str], *, port: int, quiet: bool, with_https: bool, mdns: bool) -> None:
    addresses = []
    for camera in cameras:
        sn, _, host = camera.partition("=")
        addresses.append(host)
        if not quiet:
            await Device(host, sn, port=port).__aenter__()
        if with_https:
            await https(host, 443)
    multicast = AsyncZeroconf(addresses, ip_version=IPVersion.V4Only) if mdns else None
    for camera in cameras if multicast else []:
        sn, _, host = camera.partition("=")
        assert multicast is not None
        await announce(multicast, sn, host)
    print("ready", flush=True)  # noqa: T201
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cameras", nargs="+")
    parser.add_argument("--port", type=int, default=BROADCAST_PORT)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--no-https", action="store_true")
    parser.add_argument("--mdns", action="store_true")
    given = parser.parse_args()
    asyncio.run(play(given.cameras, port=given.port, quiet=given.quiet, with_https=not given.no_https, mdns=given.mdns))


if __name__ == "__main__":
    main()
