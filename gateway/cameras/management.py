"""Making cameras managed and forgetting them, as a person asks for it by any interface."""

import contextlib
import re
from typing import Final

from firmware_tools.language import message
from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.errors import CameraUntrusted, Conflict, FieldError, InvalidRequest, NotFound, Problem

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


async def add_camera(
    registry: Registry,
    cameras: Cameras,
    sn: str,
    address: str | None,
    *,
    certificate_sha256: str = "",
    default_port: int,
) -> CameraRecord:
    """Make a camera managed: a person says that this gateway is to call it, and confirms its certificate.

    `address` is `host` or `host:port`, None for a camera that was found. `certificate_sha256` is the one that the
    person compared, in hex; without it the camera's own is pinned, unless other cameras have proved themselves with
    another one: then this raises `CameraUntrusted` and all is as before. A camera that does not answer is made managed
    all the same. Raises `InvalidRequest` and `NotFound`, too.
    """
    sn = registry.find_spelling(sn)
    certificate_sha256 = certificate_sha256.replace(":", "").lower()
    if certificate_sha256 and not _SHA256.fullmatch(certificate_sha256):
        raise InvalidRequest([FieldError("certificate_sha256", message("must be 64 hexadecimal digits"))])
    if address is not None and ":" not in address:
        address = f"{address}:{default_port}"
    known = registry.find(sn)
    was_managed = known is not None and known.managed
    await registry.manage(sn, address)
    try:
        await cameras.confirm_certificate(sn, certificate_sha256)
    except CameraUntrusted:
        if known is None:
            await registry.forget(sn)
        elif not was_managed:
            await registry.unmanage(sn)
        raise
    except Problem:  # it may be switched off
        pass
    with contextlib.suppress(Problem):  # it may be switched off, and is asked again later
        await cameras.probe_activation(sn)
    return registry.get(sn)


async def forget_camera(registry: Registry, provisioning: Provisioning, sn: str) -> None:
    """Forget a camera, with its pin and its provisioning. Raises `NotFound`."""
    with contextlib.suppress(NotFound, Conflict):  # no job, or none that is under way
        await provisioning.cancel(sn)
    await registry.forget(sn)
