"""Provisioning: jobs that take cameras from the box to work, over crashes and with a person's help."""

from gateway.cameras.provisioning.context import StepTimeouts
from gateway.cameras.provisioning.job import ProvisioningJob, ProvisioningRequest
from gateway.cameras.provisioning.service import Provisioning

__all__ = ["Provisioning", "ProvisioningJob", "ProvisioningRequest", "StepTimeouts"]
