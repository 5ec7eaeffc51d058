"""Provisioning: taking cameras from the box to work, over crashes and with a person's help."""

from gateway.cameras.provisioning.context import Limits, Round
from gateway.cameras.provisioning.job import Job, ProvisioningRequest
from gateway.cameras.provisioning.service import Provisioning

__all__ = ["Job", "Limits", "Provisioning", "ProvisioningRequest", "Round"]
