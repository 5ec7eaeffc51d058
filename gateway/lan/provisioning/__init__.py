"""Provisioning: taking cameras from the box to work, over crashes and with a person's help."""

from gateway.lan.provisioning.course import Limits, Round
from gateway.lan.provisioning.job import Job, ProvisioningRequest
from gateway.lan.provisioning.service import Provisioning

__all__ = ["Job", "Limits", "Provisioning", "ProvisioningRequest", "Round"]
