"""Callback URLs: the URLs at which the cloud and each camera reach this gateway."""

import contextlib
import ipaddress
from collections.abc import Callable
from typing import Final

from firmware_tools.language import message
from gateway.cameras.record import CameraRecord
from gateway.discovery.interfaces import find_local_address
from gateway.errors import Conflict
from gateway.settings import HookSettings

_UNSPECIFIED: Final = ("0.0.0.0", "::", "")  # noqa: S104  compared, not bound


class CallbackUrls:
    """The callback URLs of one gateway."""

    def __init__(
        self, settings: HookSettings, host: str, *, own_address: Callable[[str], str] = find_local_address
    ) -> None:
        """Take the settings, and the host that the server listens on.

        `own_address` returns this machine's address on the way to a host, and raises `OSError` if there is no way.
        """
        self.port: int | None = None
        """The port of plain HTTP; None before the server listens."""
        self._settings = settings
        self._host = "" if host in _UNSPECIFIED else host
        self._own_address = own_address

    def for_cloud(self) -> str:
        """Return the URL below `hooks.public_url`. Raises `Conflict` if that is not set."""
        if not self._settings.public_url:
            raise Conflict(message("the cloud has no way to this gateway: set hooks.public_url in the settings"))
        return f"{self._settings.public_url}/hooks/cloud"

    def for_camera(self, camera: CameraRecord) -> str:
        """Return the URL below `hooks.camera_url`, else below the address by which this machine reaches the camera.

        Raises `Conflict` if no URL would lead here.
        """
        return f"{self._settings.camera_url or self._base_url(camera)}/hooks/cameras/{camera.sn}"

    def _base_url(self, camera: CameraRecord) -> str:
        if self.port is None:
            raise Conflict(
                message("this gateway takes no callbacks now: `sunmi-gateway run` does, and subscribes automatically")
            )
        host = camera.address.rpartition(":")[0].strip("[]")
        if not host:
            raise Conflict(message("no address of the camera {sn} is known: run discovery", sn=camera.sn))
        try:
            own = self._host or self._own_address(host)
        except (OSError, UnicodeError) as exc:
            raise Conflict(
                message(
                    "how the camera {sn} at {host} reaches this gateway cannot be told ({reason}): set "
                    "hooks.camera_url in the settings",
                    sn=camera.sn,
                    host=host,
                    reason=exc,
                )
            ) from exc
        if _is_loopback(own) and not _is_loopback(host):
            raise Conflict(
                message(
                    "the camera {sn} cannot reach this gateway at {own} (server.host in the settings)",
                    sn=camera.sn,
                    own=own,
                )
            )
        return f"http://{f'[{own}]' if ':' in own else own}:{self.port}"


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
