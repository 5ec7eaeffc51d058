"""Searching for simulated cameras until they are found: on a busy machine an answer may be late for a short scan."""

from collections.abc import Iterable

from gateway.app import Gateway
from gateway.simulator.camera import SimulatedCamera


async def find(gateway: Gateway, cameras: Iterable[SimulatedCamera]) -> None:
    """Search by broadcast until all of these cameras are found."""
    missing = {camera.sn for camera in cameras}
    while missing:
        result = await gateway.discovery.scan(timeout_s=0.2, methods=["broadcast"])
        missing -= {device.sn for device in result.devices}


async def manage(gateway: Gateway, camera: SimulatedCamera) -> None:
    """Let a gateway find and manage a camera that is activated by its account."""
    await find(gateway, [camera])
    await gateway.registry.manage(camera.sn)
    await gateway.cameras.confirm_certificate(camera.sn)
    await gateway.cameras.probe_activation(camera.sn)
