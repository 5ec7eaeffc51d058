"""Checks of the shelf labels: whether they show what they should, and whether they can be drawn.

What draws takes much memory. It is imported only where labels are stored.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from firmware_tools.language import Message, count_message, describe_error, message
from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding
from gateway.errors import SettingsError
from gateway.labels.label import LOW_BATTERY
from gateway.labels.label_health_table import LabelHealth, LabelProblem, find_health

_CHINESE_SIGN: Final = "国"


async def check_labels(context: CheckContext) -> list[Finding]:
    """See whether the shop's labels show what they should and are well, and whether they can be drawn."""
    gateway = context.running_gateway
    now, account = gateway.products.schedule.now, gateway.outbox.accounts.number
    health = await gateway.database.inspect(partial(find_health, account=account, now=now))
    count = sum(health.states.values())
    if not count:
        return [Finding("skipped", message("no shelf label is managed"))]
    findings = _describe_problems(health, int(gateway.settings.labels.confirm_within_s))
    if gateway.outbox.held:
        what = message("labels do not change, since the outbox was restored and is held back")
        advice = message("give the gateway the current list of products, then sunmi-gateway outbox release")
        findings.append(Finding("warning", what, "", advice))
    if not findings:
        what = count_message(
            "{shown} of {count} label shows what it should",
            "{shown} of {count} labels show what they should",
            count=count,
            shown=health.states["shown"],
        )
        findings.append(Finding("ok", what))
    return [*findings, *await _check_templates(gateway), await _check_font(context)]


def _describe_problems(health: LabelHealth, confirm_within_s: int) -> list[Finding]:
    findings = []
    if found := health.problems.get("expired"):
        what = count_message(
            "{count} label shows a price that has ended: customers read a wrong price",
            "{count} labels show prices that have ended: customers read wrong prices",
            count=found.labels,
        )
        advice = message(
            "put the right price there by hand; sunmi-gateway labels show {label} says why it waits", label=found.label
        )
        findings.append(Finding("failed", what, _say_first(found), advice))
    if found := health.problems.get("failed"):
        what = count_message(
            "{count} label does not show what it should",
            "{count} labels do not show what they should",
            count=found.labels,
        )
        advice = message(
            "sunmi-gateway labels list says why; when the reason is mended, sunmi-gateway labels verify tries again"
        )
        findings.append(Finding("failed", what, _say_first(found), advice))
    if found := health.problems.get("late"):
        what = count_message(
            "{count} label has not confirmed its picture within {seconds} s, or did not take it",
            "{count} labels have not confirmed their pictures within {seconds} s, or did not take them",
            count=found.labels,
            seconds=confirm_within_s,
        )
        advice = message(
            "check power and network of the access points; sunmi-gateway labels flash {label} finds the label",
            label=found.label,
        )
        findings.append(Finding("warning", what, _say_first(found), advice))
    if found := health.problems.get("silent"):
        what = count_message(
            "no access point has heard {count} label for more than a day",
            "no access point has heard {count} labels for more than a day",
            count=found.labels,
        )
        advice = message("bring them nearer to an access point, or replace their batteries")
        findings.append(Finding("warning", what, _say_first(found), advice))
    if found := health.problems.get("low_battery"):
        what = count_message(
            "the battery of {count} label is below {percent} %",
            "the batteries of {count} labels are below {percent} %",
            count=found.labels,
            percent=LOW_BATTERY,
        )
        findings.append(Finding("warning", what, _say_first(found), message("replace them")))
    return findings


def _say_first(problem: LabelProblem) -> Message | str:
    if problem.reason:
        return message("{label}: {reason}", label=problem.label, reason=problem.reason)
    return message("among them {label}", label=problem.label) if problem.labels > 1 else problem.label


async def _check_font(context: CheckContext) -> Finding:
    """See which font labels are drawn with, and whether it has Chinese signs."""
    from gateway.labels.fonts import load_fonts

    font = context.settings.labels.font
    try:
        fonts = await asyncio.to_thread(load_fonts, Path(font) if font else None)
    except SettingsError as exc:
        advice = message("correct labels.font, or remove it and install fonts-wqy-microhei; then restart")
        return Finding("failed", message("no label can be drawn"), describe_error(exc), advice)
    where = str(fonts.path or "")
    if fonts.has(_CHINESE_SIGN):
        return Finding("ok", message("labels are drawn with the font {font}", font=fonts.name), where)
    what = message("labels are drawn with the font {font}, which has no Chinese signs", font=fonts.name)
    advice = message(
        "for Chinese names, apt install fonts-wqy-microhei, or name a font file in labels.font; then restart"
    )
    return Finding("warning", what, where, advice)


async def _check_templates(gateway: Gateway) -> list[Finding]:
    """Name the shop's own templates that cannot be used."""
    folder = gateway.labels.templates
    _, refusals = await asyncio.to_thread(folder.load)
    what = message("a template of labels cannot be used")
    advice = message("mend it in {folder}, or delete it; labels keep what they show until then", folder=folder.path)
    return [Finding("failed", what, describe_error(refusal), advice) for refusal in refusals]
