"""The check of hotspots: whether the gateway itself can search for them, join one and come back. It does nothing."""

from firmware_tools.language import message
from gateway.doctor.check import CheckContext, Finding


async def check_hotspots(context: CheckContext) -> list[Finding]:
    """Look whether new cameras can be set up through their hotspots without a phone."""
    support = await context.running_gateway.shop_parts.hotspots.describe()
    if not support.available:
        return [
            Finding(
                "skipped" if support.is_absent else "warning",
                message("the gateway cannot search for hotspots of new cameras and join them: not available here"),
                support.reason,
                message("join the hotspot by hand when `cameras provision` asks for it, or do what is said"),
            )
        ]
    what = message(
        "hotspots of new cameras can be searched for, joined and left again through {interface}",
        interface=support.interface,
    )
    advice = message("connect a network cable first: then the shop stays served") if support.interrupts_shop else ""
    return [Finding("ok", what, support.effect, advice)]
