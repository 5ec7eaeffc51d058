"""The catalogue: every endpoint of the vendor's documents, one table file per chapter."""

from gateway.protocol.catalogue import camera_config, cloud_devices
from gateway.protocol.endpoint import Catalogue

CATALOGUE = Catalogue(camera_config.ENDPOINTS + cloud_devices.ENDPOINTS)
