"""Addresses of streams, as a camera or the cloud returns them: hostile text until it was looked at."""

from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from firmware_tools.language import message
from gateway.errors import CameraResponseMalformed, CloudResponseMalformed

RTSP_PORT: Final = 554
MAX_URL_LENGTH: Final = 1024
_MIN_OTHER_PORT: Final = 1024
"""Below it a camera has its stream at `RTSP_PORT` only."""


class RtspAddress(NamedTuple):
    """Where a camera's stream is."""

    host: str
    """The camera's own host, whatever its response names."""
    port: int
    """The TCP port."""
    path: str
    """The path, with the query if there is one."""

    @property
    def url(self) -> str:
        """The address as a URL."""
        port = "" if self.port == RTSP_PORT else f":{self.port}"
        return f"rtsp://{self.host}{port}{self.path}"


def parse_rtsp_url(url: object, camera_host: str) -> RtspAddress:
    """Read the address of a stream that a camera returned; its host is replaced by the camera's own.

    Raises `CameraResponseMalformed`.
    """
    parts, problem = _split(url, "rtsp")
    port = RTSP_PORT
    if parts is not None and not problem:
        port = parts.port or RTSP_PORT
        if port != RTSP_PORT and port < _MIN_OTHER_PORT:
            problem = message("names port {port}, where no camera has a stream", port=port)
    if parts is None or problem:
        raise CameraResponseMalformed(
            message(
                "the camera at {camera_host} returned an address of its stream that {problem}",
                camera_host=camera_host,
                problem=problem,
            )
        )
    return RtspAddress(camera_host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def check_cloud_url(url: object, base_url: str, further_hosts: Collection[str] = ()) -> str:
    """Return the address of a stream that the cloud returned, if the vendor's hosts serve it.

    Those are the host of `base_url`, all below sunmi.com if that is one of them, and the given ones. Raises
    `CloudResponseMalformed`.
    """
    parts, problem = _split(url, "https")
    if parts is not None and not problem:
        base = urlsplit(base_url)
        host, own_host = parts.hostname or "", base.hostname or ""
        if host != own_host and not _is_vendors(host, own_host) and host not in further_hosts:
            problem = message(
                "is at {host}, which is no known host of the vendor's; video.cloud_hosts may allow it", host=host[:100]
            )
        elif (parts.port or 443) not in (443, base.port or 443):
            problem = message("names port {port}", port=parts.port)
    if parts is None or problem:
        raise CloudResponseMalformed(
            message("the cloud returned an address of a stream that {problem}", problem=problem)
        )
    return parts.geturl()


def _is_vendors(host: str, own_host: str) -> bool:
    return own_host.endswith(".sunmi.com") and host.endswith(".sunmi.com")


def _split(url: object, scheme: str) -> tuple[SplitResult | None, str]:
    """Return the parts of a URL and what is wrong with it."""
    if not isinstance(url, str) or not url:
        return None, message("is missing")
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or set(url) & set(' "\\<>^`{|}'):
        return None, message("is no URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, message("is no URL")
    if parts.scheme != scheme:
        return parts, message(
            "does not begin with {scheme}:// but with {other}", scheme=scheme, other=parts.scheme[:20] or "nothing"
        )
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        return parts, message("names no host or port")
    if "@" in parts.netloc or parts.fragment:
        return parts, message("has a user name or a fragment")
    return parts, ""
