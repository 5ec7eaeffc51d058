"""The handlers of the simulated cloud's endpoints, one file for each chapter of the vendor's documents."""

from collections.abc import Mapping
from typing import Final

from gateway.simulator.cloud_handlers import devices, faces, flow, labels, media, products
from gateway.simulator.cloud_state import CloudHandler

HANDLERS: Final[Mapping[str, CloudHandler]] = {
    **devices.HANDLERS,
    **faces.HANDLERS,
    **flow.HANDLERS,
    **labels.HANDLERS,
    **media.HANDLERS,
    **products.HANDLERS,
}
"""By path. An endpoint that is not here responds with fake data."""
