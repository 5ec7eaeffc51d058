"""Checks of the ways of events: from the cloud and the cameras to the gateway, and from it to webhooks."""

import ssl
from typing import Any, Final

import aiohttp

from gateway.doctor.check import CheckContext, Finding
from gateway.storage.state_directory import StateDirectory

_TIMEOUT: Final = aiohttp.ClientTimeout(total=8, connect=5)
_METHOD_NOT_ALLOWED: Final = 405
"""How the gateway responds to a GET of its hook, which takes POST alone."""


async def check_public_url(context: CheckContext) -> list[Finding]:
    """See whether the URL that the cloud calls leads to this gateway, as seen from here."""
    advice = "correct hooks.public_url, its name and certificate, and the router or proxy that passes it on"
    return [await _check_url(context, "public_url", "cloud", advice)]


async def check_camera_url(context: CheckContext) -> list[Finding]:
    """See whether the URL that cameras call leads to this gateway, as seen from here."""
    advice = "correct hooks.camera_url, or leave it out: then the gateway names its address by itself"
    return [await _check_url(context, "camera_url", "cameras/SN", advice)]


async def _check_url(context: CheckContext, key: str, path: str, advice: str) -> Finding:
    """Request a hook below the URL that a setting names."""
    base: str = getattr(context.settings.hooks, key)
    if not base:
        return Finding("skipped", f"hooks.{key} is not set")
    url = f"{base}/hooks/{path}"
    problem = await _request_hook(url)
    if problem is None:
        return Finding("ok", f"{base} leads to a gateway (hooks.{key})", url)
    if not StateDirectory.load_address(context.settings.state_directory):
        advice = "start the gateway, and run the doctor again"
        return Finding("warning", f"{base} does not lead to a gateway now, and none runs here", problem, advice)
    return Finding("failed", f"{base} does not lead to this gateway, so events get lost", problem, advice)


async def check_subscriptions(context: CheckContext) -> list[Finding]:
    """Report the subscriptions to events that fail."""
    subscriptions = context.running_gateway.subscriptions.describe()
    failing = [one for one in subscriptions if one["state"] == "failing"]
    if failing:
        advice = "the gateway tries again by itself; sunmi-gateway events hook TARGET does so now"
        return [
            Finding("warning", f"events are not subscribed to at {one['target']}", one["last_error"] or "", advice)
            for one in failing
        ]
    subscribed = sum(one["state"] == "subscribed" for one in subscriptions)
    if not subscribed:
        return [Finding("skipped", "there is no subscription to events")]
    return [Finding("ok", f"events are subscribed to at {subscribed} of {len(subscriptions)} targets")]


async def check_webhooks(context: CheckContext) -> list[Finding]:
    """Report the webhooks that get no events."""
    webhooks = context.running_gateway.webhooks
    findings = [
        Finding("failed", f"the webhook {webhook_id} is damaged", what_to_do="remove it, and add it again")
        for webhook_id in sorted(webhooks.damaged)
    ]
    described = webhooks.describe_all()
    findings += [finding for one in described if (finding := _check_webhook(one)) is not None]
    if not described and not findings:
        return [Finding("skipped", "there is no webhook")]
    return findings or [Finding("ok", f"all {len(described)} webhooks get their events")]


def _check_webhook(webhook: dict[str, Any]) -> Finding | None:
    """Return what is wrong with a webhook, or that it is untried; None if it gets its events."""
    name = f"the webhook {webhook['name']!r}"
    advice = f"check the till at {webhook['url']}; sunmi-gateway webhooks test {webhook['webhook_id']} tries it now"
    if webhook["state"] == "failing":
        evidence = f"{webhook['last_error']}; {webhook['behind']} events wait"
        if not webhook["delivered"]:
            return Finding("failed", f"{name} has got no event since the gateway started", evidence, advice)
        return Finding("warning", f"{name} gets no events since {webhook['last_delivered_at']}", evidence, advice)
    if webhook["left_out"]:
        return Finding("warning", f"{name} rejected {webhook['left_out']} events, which were skipped", "", advice)
    if not webhook["delivered"]:
        return Finding("skipped", f"{name} has had no event to get since the gateway started", "", advice)
    return None


async def _request_hook(url: str) -> str | None:
    """Request the hook as nobody; return why no gateway responds, or None if one does."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            if response.status == _METHOD_NOT_ALLOWED:
                return None
            return f"{url} answers with HTTP status {response.status}"
    except TimeoutError:
        return f"{url} does not answer; some routers let nobody inside call their public address"
    except aiohttp.ClientConnectorCertificateError as exc:
        return f"its certificate is not trusted: {exc.certificate_error}"
    except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
        return str(exc) or type(exc).__name__
