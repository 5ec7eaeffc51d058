"""What a failed call means for a step, and whether it is tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from firmware_tools.language import describe_error
from gateway.cameras.cameras import ActivatedByOtherAccount
from gateway.cameras.provisioning.context import make_step_failure
from gateway.errors import CloudRejectedCredentials, CloudUnreachable, Conflict, GatewayError
from gateway.shop.progress import PlanStepFailed

RETRYABLE_REASONS: Final = ("not_reachable", "malformed_response", "cloud_unreachable")
"""Reasons of a failure after which a step is tried once more."""
_ATTEMPTS: Final = 2

Outcome = TypeVar("Outcome")


async def take_step(take: Callable[[], Awaitable[Outcome]], *, retry_s: float) -> Outcome | PlanStepFailed:
    """Take a step, once more after some seconds if that may help, and return what came of it."""
    for attempt in range(_ATTEMPTS):
        try:
            return await take()
        except PlanStepFailed as exc:
            failure = exc
        except GatewayError as exc:
            failure = make_plan_failure(exc)
        if failure.reason not in RETRYABLE_REASONS or attempt + 1 == _ATTEMPTS:
            break
        await asyncio.sleep(retry_s)
    return failure


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
