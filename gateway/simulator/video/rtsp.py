"""A small RTSP server: the clip in real time, by RTP inside the RTSP connection (RFC 2326).

It knows what a player needs: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER and TEARDOWN, over TCP only.
"""

import asyncio
import base64
import contextlib
import math
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gateway.simulator.ports import find_free_port
from gateway.simulator.video.clip import FRAME_RATE, Clip, current_frame, load_clip, show_time
from gateway.simulator.video.rtp import CLOCK_RATE, PAYLOAD_TYPE, RtpPacketizer, timestamp_of

_METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
_MAX_REQUEST_BYTES: Final = 8192
_MAX_BUFFERED_BYTES: Final = 1024 * 1024
"""What may wait for a slow client before its connection is closed."""
_INTERLEAVED: Final = re.compile(r"RTP/AVP/TCP;.*?interleaved=(\d{1,3})-\d{1,3}")


class RtspStream(NamedTuple):
    """A stream."""

    duration_s: float
    """How long it is, in seconds; endless for a live picture."""


class _Request(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]
    """By their names in lower case."""


class RtspServer:
    """Serves the clip at one address.

    `find_stream` returns for the path of a URL what is behind it, or None. `port` 0 takes a free one, and keeps it when
    the server is started again.
    """

    def __init__(self, host: str, port: int, find_stream: Callable[[str], RtspStream | None]) -> None:
        self.host = host
        self.port = port
        self.frozen = False
        """While it is true no picture is sent, as by a camera whose encoder hangs."""
        self.requests: list[str] = []
        """Method and URL of each request."""
        self.players: set[_Player] = set()
        """The open connections."""
        self.find_stream = find_stream
        self._server: asyncio.Server | None = None
        self._unused = asyncio.Event()

    async def start(self) -> None:
        """Begin to serve. Raises OSError if the address cannot be had."""
        self.port = self.port or find_free_port([self.host])
        self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def stop(self) -> None:
        """Stop serving and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.close_connections()
        if self.players:
            await self._unused.wait()

    def close_connections(self) -> None:
        """Break off every connection."""
        for player in self.players:
            player.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        player = _Player(self, reader, writer)
        self.players.add(player)
        self._unused.clear()
        try:
            with contextlib.suppress(ConnectionError):
                await player.serve()
        finally:
            player.abort()
            self.players.discard(player)
            if not self.players:
                self._unused.set()


class _Player:
    """One connection: it reads requests, and between them sends each frame when it is due."""

    def __init__(self, server: RtspServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._session_id = secrets.token_hex(4)
        self._clip: Clip = load_clip()
        self._packetizer: RtpPacketizer | None = None
        self._duration_s = math.inf
        self._next: int | None = None
        """The number of the frame that is sent next; None while nothing is played."""
        self._ends_at = float("inf")

    @property
    def playing(self) -> bool:
        """Whether frames are sent."""
        return self._next is not None

    def abort(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Serve the connection until one side ends it."""
        received = b""
        while True:
            wait_s = None if self._next is None else max(0.0, show_time(self._next) - time.monotonic())
            try:
                async with asyncio.timeout(wait_s):
                    data = await self._reader.read(_MAX_REQUEST_BYTES)
            except TimeoutError:
                if not self._send_frame():
                    return
                continue
            received += data
            if not data or len(received) > 2 * _MAX_REQUEST_BYTES:
                return
            requests, received = _split_requests(received)
            for request in requests:
                self._respond(request)
                if request.method == "TEARDOWN":
                    await self._writer.drain()
                    return

    def _send_frame(self) -> bool:
        """Send the frame that is due. Return whether there will be another."""
        if self._next is None or self._packetizer is None:
            return True
        if time.monotonic() >= self._ends_at or self._writer.transport.get_write_buffer_size() > _MAX_BUFFERED_BYTES:
            return False
        if not self._server.frozen:
            self._writer.write(self._packetizer.packetize(self._clip, self._next))
        self._next += 1
        return True

    def _respond(self, request: _Request) -> None:
        self._server.requests.append(f"{request.method} {request.url}")
        match request.method:
            case "OPTIONS":
                self._write(request, 200, {"Public": _METHODS})
            case "DESCRIBE":
                self._describe(request)
            case "SETUP":
                self._set_up(request)
            case "PLAY" if self._packetizer is not None:
                self._play(request)
            case "GET_PARAMETER" | "TEARDOWN":
                self._write(request, 200, {"Session": self._session_id})
            case "PLAY":
                self._write(request, 455)
            case _:
                self._write(request, 405, {"Allow": _METHODS})

    def _describe(self, request: _Request) -> None:
        recording = self._server.find_stream(urlsplit(request.url).path)
        if recording is None:
            self._write(request, 404)
            return
        headers = {"Content-Type": "application/sdp", "Content-Base": f"{request.url}/"}
        self._write(request, 200, headers, self._session_description(recording).encode())

    def _session_description(self, recording: RtspStream) -> str:
        clip = self._clip
        sets = ",".join(base64.b64encode(one).decode() for one in (clip.sps, clip.pps))
        parameters = f"packetization-mode=1;profile-level-id={clip.sps[1:4].hex()};sprop-parameter-sets={sets}"
        end = "" if math.isinf(recording.duration_s) else f"{recording.duration_s:.3f}"
        lines = (
            "v=0", f"o=- 0 0 IN IP4 {self._server.host}", "s=Simulated camera", "c=IN IP4 0.0.0.0", "t=0 0",
            f"a=range:npt=0-{end}", "a=control:*", f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_RATE}",
            f"a=fmtp:{PAYLOAD_TYPE} {parameters}",
            f"a=framerate:{FRAME_RATE}", "a=control:trackID=0",
        )  # fmt: skip
        return "".join(f"{line}\r\n" for line in lines)

    def _set_up(self, request: _Request) -> None:
        recording = self._server.find_stream(urlsplit(request.url).path.removesuffix("/trackID=0"))
        transport = _INTERLEAVED.match(request.headers.get("transport", ""))
        if recording is None:
            self._write(request, 404)
        elif transport is None or int(transport[1]) > 254:
            self._write(request, 461)
        else:
            channel, ssrc = int(transport[1]), secrets.randbits(32)
            self._duration_s, self._packetizer = recording.duration_s, RtpPacketizer(channel, ssrc)
            accepted = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={ssrc:08X}"
            self._write(request, 200, {"Transport": accepted, "Session": f"{self._session_id};timeout=60"})

    def _play(self, request: _Request) -> None:
        self._next = self._clip.next_key_frame(current_frame() + 1)
        self._ends_at = show_time(self._next) + self._duration_s
        info = f"url={request.url.rstrip('/')}/trackID=0;seq=0;rtptime={timestamp_of(self._next)}"
        self._write(request, 200, {"Session": self._session_id, "Range": "npt=0.000-", "RTP-Info": info})

    def _write(self, request: _Request, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        length = {"Content-Length": str(len(body))} if body else {}
        lines = {"CSeq": request.headers.get("cseq", "0"), **(headers or {}), **length}
        head = f"RTSP/1.0 {status} {'OK' if status == 200 else 'Refused'}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(head.encode() + b"\r\n" + body)


def _split_requests(received: bytes) -> tuple[list[_Request], bytes]:
    """Return the complete requests and what is left over. Data packets of the client, such as RTCP, are dropped."""
    requests: list[_Request] = []
    while received:
        if received[:1] == b"$":
            end = 4 + int.from_bytes(received[2:4])
            if len(received) < max(4, end):
                break
        else:
            head_end = received.find(b"\r\n\r\n")
            if head_end < 0:
                break
            request = _parse_request(received[:head_end].decode(errors="replace"))
            length = request.headers.get("content-length", "0")
            end = head_end + 4 + (int(length) if length.isdecimal() else 0)
            if len(received) < end:
                break
            requests.append(request)
        received = received[end:]
    return requests, received


def _parse_request(head: str) -> _Request:
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    return _Request(method, rest.partition(" ")[0], dict(_parse_headers(lines)))


def _parse_headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()
