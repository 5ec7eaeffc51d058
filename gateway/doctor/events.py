"""Checks of the ways of events: from the cloud and the cameras to the gateway, and from it to webhooks."""

import ssl
from typing import Any, Final

import aiohttp

from firmware_tools.language import count_message, describe_error, message
from gateway.doctor.check import CheckContext, Finding
from gateway.storage.state_directory import StateDirectory

_TIMEOUT: Final = aiohttp.ClientTimeout(total=8, connect=5)
_METHOD_NOT_ALLOWED: Final = 405
"""How the gateway responds to a GET of its hook, which takes POST alone."""


async def check_public_url(context: CheckContext) -> list[Finding]:
    """See whether the URL that the cloud calls leads to this gateway, as seen from here."""
    advice = message("correct hooks.public_url, its name and certificate, and the router or proxy that passes it on")
    return [await _check_url(context, "public_url", "cloud", advice)]


async def check_camera_url(context: CheckContext) -> list[Finding]:
    """See whether the URL that cameras call leads to this gateway, as seen from here."""
    advice = message("correct hooks.camera_url, or leave it out: then the gateway names its address by itself")
    return [await _check_url(context, "camera_url", "cameras/SN", advice)]


async def _check_url(context: CheckContext, key: str, path: str, advice: str) -> Finding:
    """Request a hook below the URL that a setting names."""
    base: str = getattr(context.settings.hooks, key)
    if not base:
        return Finding("skipped", message("hooks.{key} is not set", key=key))
    url = f"{base}/hooks/{path}"
    problem = await request_hook(url)
    if problem is None:
        return Finding("ok", message("{base} leads to a gateway (hooks.{key})", base=base, key=key), url)
    if not StateDirectory.load_address(context.settings.state_directory):
        advice = message("start the gateway, and run the doctor again")
        return Finding(
            "warning", message("{base} does not lead to a gateway now, and none runs here", base=base), problem, advice
        )
    return Finding(
        "failed", message("{base} does not lead to this gateway, so events get lost", base=base), problem, advice
    )


async def check_subscriptions(context: CheckContext) -> list[Finding]:
    """Report the subscriptions to events that fail."""
    subscriptions = context.running_gateway.subscriptions.describe()
    failing = [one for one in subscriptions if one["state"] == "failing"]
    if failing:
        advice = message("the gateway tries again by itself; sunmi-gateway events hook TARGET does so now")
        return [
            Finding(
                "warning",
                message("events are not subscribed to at {target}", target=one["target"]),
                one["last_error"] or "",
                advice,
            )
            for one in failing
        ]
    subscribed = sum(one["state"] == "subscribed" for one in subscriptions)
    if not subscribed:
        return [Finding("skipped", message("there is no subscription to events"))]
    return [
        Finding(
            "ok",
            message(
                "targets whose events are subscribed to: {subscribed} of {count}",
                subscribed=subscribed,
                count=len(subscriptions),
            ),
        )
    ]


async def check_webhooks(context: CheckContext) -> list[Finding]:
    """Report the webhooks that get no events."""
    webhooks = context.running_gateway.webhooks
    findings = [
        Finding(
            "failed",
            message("the webhook {webhook_id} is damaged", webhook_id=webhook_id),
            what_to_do=message("remove it, and add it again"),
        )
        for webhook_id in sorted(webhooks.damaged)
    ]
    described = webhooks.describe_all()
    findings += [finding for one in described if (finding := _check_webhook(one)) is not None]
    if not described and not findings:
        return [Finding("skipped", message("there is no webhook"))]
    what = count_message("{count} webhook gets its events", "all {count} webhooks get their events", len(described))
    return findings or [Finding("ok", what)]


def _check_webhook(webhook: dict[str, Any]) -> Finding | None:
    """Return what is wrong with a webhook, or that it is untried; None if it gets its events."""
    name = message("the webhook {webhook!r}", webhook=webhook["name"])
    advice = message(
        "check the till at {url}; sunmi-gateway webhooks test {webhook_id} tries it now",
        url=webhook["url"],
        webhook_id=webhook["webhook_id"],
    )
    if webhook["state"] == "failing":
        evidence = count_message(
            "{last_error}; {count} event waits",
            "{last_error}; {count} events wait",
            webhook["behind"],
            last_error=webhook["last_error"],
        )
        if not webhook["delivered"]:
            return Finding(
                "failed", message("{name} has got no event since the gateway started", name=name), evidence, advice
            )
        return Finding(
            "warning",
            message(
                "{name} gets no events since {last_delivered_at}",
                name=name,
                last_delivered_at=webhook["last_delivered_at"],
            ),
            evidence,
            advice,
        )
    if webhook["left_out"]:
        return Finding(
            "warning",
            count_message(
                "{name} rejected {count} event, which was skipped",
                "{name} rejected {count} events, which were skipped",
                webhook["left_out"],
                name=name,
            ),
            "",
            advice,
        )
    if not webhook["delivered"]:
        return Finding(
            "skipped", message("{name} has had no event to get since the gateway started", name=name), "", advice
        )
    return None


async def request_hook(url: str) -> str | None:
    """Request the hook as nobody; return why no gateway responds, or None if one does."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            if response.status == _METHOD_NOT_ALLOWED:
                return None
            return message("{url} answers with HTTP status {status}", url=url, status=response.status)
    except TimeoutError:
        return message("{url} does not answer; some routers let nobody inside call their public address", url=url)
    except aiohttp.ClientConnectorCertificateError as exc:
        return message("its certificate is not trusted: {reason}", reason=exc.certificate_error)
    except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
        return describe_error(exc) or type(exc).__name__
