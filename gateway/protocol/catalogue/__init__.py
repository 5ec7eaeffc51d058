"""The catalogue: every endpoint of the vendor's documents, one module for each chapter."""

from typing import Final

from gateway.protocol.catalogue import (
    camera_config,
    camera_device,
    camera_faces,
    camera_flow,
    camera_hooks,
    camera_media,
    cloud_access_points,
    cloud_devices,
    cloud_faces,
    cloud_firmware,
    cloud_flow,
    cloud_hooks,
    cloud_labels,
    cloud_media,
    cloud_orders,
    cloud_products,
    cloud_templates,
)
from gateway.protocol.endpoint import Catalogue

_CHAPTERS = (
    camera_config,
    camera_device,
    camera_hooks,
    camera_media,
    camera_flow,
    camera_faces,
    cloud_devices,
    cloud_faces,
    cloud_flow,
    cloud_media,
    cloud_orders,
    cloud_hooks,
    cloud_labels,
    cloud_access_points,
    cloud_firmware,
    cloud_templates,
    cloud_products,
)

CATALOGUE: Final = Catalogue(tuple(endpoint for chapter in _CHAPTERS for endpoint in chapter.ENDPOINTS))
