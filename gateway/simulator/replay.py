"""A captured camera, served again: it answers what the capture says, over HTTPS and to discovery frames."""

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.simulator.certificates import camera_context
from gateway.simulator.faults import FaultInjection
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse


class ReplayedCamera:
    """Serves a capture (format 1, see `gateway.cameras.capture`); hand it to a `DiscoveryResponder` for its frames.

    It checks nothing: whoever calls a captured path gets the answer again, with the status, with or without `Date`, and
    with the connection kept open or not, as recorded. A call that was never answered is not answered again, and any
    other path is 404. The certificate is the simulated cameras'. Frames all come from the discovery port, to the asker.
    Raises ValueError for another format.
    """

    def __init__(self, capture: Mapping[str, Any], *, host: str = "127.0.0.1", port: int = 0) -> None:
        if capture.get("format") != 1:
            raise ValueError(f"a capture of format {capture.get('format')!r} cannot be replayed, only of format 1")
        self.sn: str = capture["sn"]
        self.on_start: list[Callable[[], None]] = []
        """Called whenever the camera appears at an address."""
        answered = [read for read in capture["reads"] if "status" in read]
        self._reads: dict[str, Mapping[str, Any]] = {read["path"]: read for read in answered}
        self._frames: Sequence[Mapping[str, Any]] = [frame for frame in capture["frames"] if "frame" in frame]
        self._faults = FaultInjection()
        for read in capture["reads"]:
            match read.get("problem"):
                case "timeout":
                    self._faults.add("silent", path=read["path"], times=None)
                case "camera_unreachable":
                    self._faults.add("drop", path=read["path"], times=None)
        self._server = HttpsServer(
            host=host,
            port=port,
            context=_context,
            service=self.respond,
            faults=self._faults,
            clock=time.time,
        )

    @property
    def host(self) -> str:
        """The IP address at which the camera is."""
        return self._server.host

    @property
    def address(self) -> str:
        """`host:port` of the HTTPS service."""
        return f"{self._server.host}:{self._server.port}"

    @property
    def on_network(self) -> bool:
        """Whether the camera is switched on."""
        return self._server.serving

    def response_frames(self, *, broadcast: bool) -> Sequence[bytes]:
        """Return the frames that answered a request to the camera alone, or a `broadcast`."""
        asked = "everyone" if broadcast else "host"
        return [bytes.fromhex(frame["frame"]) for frame in self._frames if frame["asked"] == asked]

    async def start(self) -> None:
        """Switch on. Raises OSError when the address cannot be had."""
        await self._server.start()
        for tell in self.on_start:
            tell()

    async def stop(self) -> None:
        """Switch off."""
        await self._server.stop()

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Return the captured response."""
        read = self._reads.get(request.path)
        if read is None:
            return ServedResponse(None, 404)
        # The server looks at these when it sends this very answer.
        self._faults.send_date, self._faults.close_after_answer = read["date"], not read["keep_alive"]
        return ServedResponse(read["answer"], read["status"])


def _context() -> ssl.SSLContext:
    return camera_context(changed=False, client_certificate=False)
