"""What each cloud endpoint does to the simulated cloud's state and answers, one file per chapter of the documents."""

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
"""By path; an endpoint that is not here answers what its declared fields suggest."""
