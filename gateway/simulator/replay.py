"""A replayed camera: it sends the responses of a capture, over HTTPS and to discovery frames."""

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.simulator.certificates import camera_context
from gateway.simulator.faults import FaultInjection
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse


class ReplayedCamera:
    """Serves a capture (format 1, see `gateway.cameras.capture`). A `DiscoveryResponder` serves its frames.

    It checks nothing. A captured path has the captured response, with its status, with or without the header `Date`,
    and with the connection kept open or not. A call that had no response has none again. A response that could not be
    read is sent as it was received, but for what is redacted. Any other path is 404.
    The certificate is that of the simulated cameras. Frames are sent from the discovery port to the sender of the
    request. Raises ValueError for another format.
    """

    def __init__(self, capture: Mapping[str, Any], *, host: str = "127.0.0.1", port: int = 0) -> None:
        if capture.get("format") != 1:
            raise ValueError(f"a capture of format {capture.get('format')!r} cannot be replayed, only of format 1")
        self.sn: str = capture["sn"]
        self.on_start: list[Callable[[], None]] = []
        """Called when the camera was switched on."""
        self._reads: dict[str, Mapping[str, Any]] = {
            read["path"]: read for read in capture["reads"] if "status" in read or "raw" in read
        }
        self._frames: Sequence[Mapping[str, Any]] = [frame for frame in capture["frames"] if "frame" in frame]
        self._faults = FaultInjection()
        for read in capture["reads"]:
            match read.get("problem"):
                case "timeout" if "raw" not in read:
                    self._faults.add("silent", path=read["path"], times=None)
                case "camera_unreachable" if "raw" not in read:
                    self._faults.add("drop", path=read["path"], times=None)
        self._server = HttpsServer(
            host=host,
            port=port,
            select_context=_select_context,
            handler=self.respond,
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
        """Return the frames that responded to a request to the camera alone, or a `broadcast`."""
        asked = "everyone" if broadcast else "host"
        return [bytes.fromhex(frame["frame"]) for frame in self._frames if frame["asked"] == asked]

    async def start(self) -> None:
        """Switch on. Raises OSError if the address cannot be had."""
        await self._server.start()
        for callback in self.on_start:
            callback()

    async def stop(self) -> None:
        """Switch off."""
        await self._server.stop()

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Return the captured response."""
        read = self._reads.get(request.path)
        if read is None:
            return ServedResponse(None, 404)
        if read.get("answer") is None and "raw" in read:
            stays_open = read.get("keep_alive", read.get("problem") == "timeout")
            return ServedResponse(None, raw=bytes.fromhex(read["raw"]), keep_alive=stays_open)
        # The server reads these when it sends this response.
        self._faults.send_date, self._faults.close_after_answer = read["date"], not read["keep_alive"]
        return ServedResponse(read["answer"], read["status"])


def _select_context() -> ssl.SSLContext:
    return camera_context(changed=False, client_certificate=False)
