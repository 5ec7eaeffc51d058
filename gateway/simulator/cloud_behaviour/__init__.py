"""What each cloud endpoint does to the simulated cloud's state and answers, one file per chapter of the documents."""

from collections.abc import Mapping
from typing import Final

from gateway.simulator.cloud_behaviour import devices, faces, flow, labels, media, products
from gateway.simulator.cloud_state import CloudBehaviour

BEHAVIOURS: Final[Mapping[str, CloudBehaviour]] = {
    **devices.BEHAVIOURS,
    **faces.BEHAVIOURS,
    **flow.BEHAVIOURS,
    **labels.BEHAVIOURS,
    **media.BEHAVIOURS,
    **products.BEHAVIOURS,
}
"""By path; an endpoint that is not here answers what its declared fields suggest."""
