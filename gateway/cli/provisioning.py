"""Following a provisioning from a terminal: its progress, questions to a person, and Ctrl-C."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from firmware_tools.language import message
from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import CommandContext, fail
from gateway.cli.output import print_line, print_message


async def confirm_offline(context: CommandContext, api: ApiClient) -> bool:
    """Ask whether the gateway may leave the shop's network to join a hotspot, where it would have to."""
    support = await api.get("hotspots")
    if not support["available"]:
        fail(message("the gateway cannot join hotspots: {reason}", reason=support["reason"]))
    if not support["interrupts_shop"]:
        return False
    if not await context.confirm(message("{effect} Go on?", effect=support["effect"])):
        fail(message("nothing was done: without --hotspot you join the camera's hotspot yourself"))
    return True


async def follow(context: CommandContext, api: ApiClient, sn: str, body: dict[str, Any]) -> dict[str, Any]:
    """Start a provisioning, tell how far it is, and return it when it has ended."""
    path = f"cameras/{sn}/provisioning"
    job: dict[str, Any] = await api.post(path, body)
    printed: set[tuple[str, str]] = set()
    while job["state"] in ("running", "waiting"):
        if job["state"] == "waiting":
            await _wait_for_person(context, api, path, job)
            job = await api.post(path, {})
        else:
            _print_progress(job, printed)
        await asyncio.sleep(0.2)
        job = await api.get(path)
    _print_progress(job, printed)
    return job


@contextlib.asynccontextmanager
async def cancel_on_interrupt(context: CommandContext, api: ApiClient, sn: str) -> AsyncIterator[None]:
    """Cancel the provisioning of a camera if Ctrl-C ends the command."""
    try:
        yield
    except asyncio.CancelledError:
        try:
            job = await api.call("DELETE", f"cameras/{sn}/provisioning")
        except ApiError as exc:
            fail(message("{sn}: interrupted: {reason}", sn=sn, reason=exc))
        context.emit(job, lambda document: print_line(f"{sn}: {document['state']}"))
        fail(f"{sn}: {job['detail']}")


async def _wait_for_person(context: CommandContext, api: ApiClient, path: str, job: dict[str, Any]) -> None:
    """Ask a person to change the laptop's network. Cancels the job if nobody can be prompted."""
    try:
        await context.wait_for_person(message("step {step}: {detail}", step=job["step"], detail=get_detail(job)))
    except SystemExit:
        await api.call("DELETE", path)
        raise


def _print_progress(job: dict[str, Any], printed: set[tuple[str, str]]) -> None:
    for step in job["steps"]:
        name, progress = step["name"], f"{step['state']} {step['detail'] or ''}".strip()
        if step["state"] != "pending" and (name, progress) not in printed:
            printed.add((name, progress))
            print_message(f"{name:<10} {progress}")


def get_detail(job: dict[str, Any]) -> str:
    """Return what is known of the step at which a provisioning is."""
    return next((step["detail"] for step in job["steps"] if step["name"] == job["step"] and step["detail"]), "")
