"""What a failed call means for a step of a plan."""

from firmware_tools.language import describe_error
from gateway.cameras.cameras import ActivatedByOtherAccount
from gateway.cameras.provisioning.context import make_step_failure
from gateway.errors import CloudRejectedCredentials, CloudUnreachable, Conflict, GatewayError
from gateway.shop.progress import PlanStepFailed


def make_plan_failure(error: GatewayError) -> PlanStepFailed:
    """Return the failure of a step that an error amounts to."""
    match error:
        case CloudUnreachable():
            return PlanStepFailed("cloud_unreachable", describe_error(error))
        case CloudRejectedCredentials():
            return PlanStepFailed("no_credentials", describe_error(error))
        case Conflict() if not isinstance(error, ActivatedByOtherAccount):
            return PlanStepFailed("refused", describe_error(error))
    failure = make_step_failure(error)
    return PlanStepFailed(failure.reason, failure.detail)
