"""Checks of the machine: the database, the disk and the card that it is on, and what waits in the outbox."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from firmware_tools.language import count_message, describe_error, join, message
from gateway.doctor.check import CheckContext, Finding, Status
from gateway.doctor.linux import list_swaps
from gateway.errors import StateError
from gateway.storage import health
from gateway.storage.mounts import find_mount
from gateway.storage.state_directory import StateDirectory

_MIB: Final = 1024 * 1024
_MIN_FREE_BYTES: Final = 64 * _MIB
_WARNING_AGE_S: Final = 3600.0
_FAILURE_AGE_S: Final = 86400.0
_DISK_ADVICE: Final = message(
    "see what the system's log says of the disk (dmesg) and replace it if it fails; then restart the gateway"
)
_JOURNAL: Final = Path("var/log/journal")


async def check_database(context: CheckContext) -> list[Finding]:
    """Check the database's integrity through a second connection."""
    path = StateDirectory.database_in(context.settings.state_directory)
    if context.gateway is None and _is_missing(path):
        return [Finding("skipped", message("{path} does not exist yet", path=path))]
    try:
        found = await asyncio.to_thread(health.examine, path, limit_s=15)
    except StateError as exc:
        if context.gateway is None and _lacks_permission(path):
            return [
                Finding(
                    "warning",
                    describe_error(exc),
                    what_to_do=message("run the doctor as the gateway's user or as root"),
                )
            ]
        return [Finding("failed", describe_error(exc), what_to_do=_DISK_ADVICE)]
    size = message(
        "{bytes:.1f} MiB, log {log_bytes:.1f} MiB, schema {schema}",
        bytes=found.bytes / _MIB,
        log_bytes=found.log_bytes / _MIB,
        schema=found.schema,
    )
    findings = []
    if found.damage is not None:
        advice = message("restart the gateway, which recovers what can be read; then replace the card or disk")
        findings.append(Finding("failed", message("{path} is damaged", path=path), found.damage, advice))
    elif found.complete:
        findings.append(Finding("ok", message("{path} is sound", path=path), size))
    else:
        findings.append(
            Finding("skipped", message("{path} is too large to be checked completely now", path=path), size)
        )
    if found.set_aside:
        advice = message("the card or disk may be worn out: make a backup and replace it; then remove these files")
        what = message("the database was damaged before, and was recovered into a new one")
        findings.append(Finding("warning", what, ", ".join(found.set_aside), advice))
    return findings


async def check_disk(context: CheckContext) -> list[Finding]:
    """See how much room there is."""
    directory = _find_existing(context.settings.state_directory)
    try:
        usage = shutil.disk_usage(directory)
    except OSError as exc:
        return [
            Finding(
                "failed",
                message("{directory}: cannot be read: {reason}", directory=directory, reason=exc),
                what_to_do=_DISK_ADVICE,
            )
        ]
    evidence = message("{free} of {total} MiB free", free=usage.free // _MIB, total=usage.total // _MIB)
    advice = message("free some space there: du -xh {directory} | sort -h | tail", directory=directory)
    if hasattr(os, "statvfs") and os.statvfs(directory).f_files and not os.statvfs(directory).f_favail:
        return [
            Finding(
                "failed", message("{directory}: the disk can hold no more files", directory=directory), evidence, advice
            )
        ]
    if usage.free < _MIN_FREE_BYTES:
        return [
            Finding("failed", message("{directory}: the disk is nearly full", directory=directory), evidence, advice)
        ]
    if usage.free < context.settings.outbox.max_bytes:
        what = message(
            "{directory}: there is less space than the outbox may need (outbox.max_bytes)", directory=directory
        )
        return [Finding("warning", what, evidence, advice)]
    return [Finding("ok", message("{directory}: there is enough space", directory=directory), evidence)]


async def check_card(context: CheckContext, root: Path = Path("/")) -> list[Finding]:
    """See whether what writes to a flash card is kept low."""
    directory = _find_existing(context.settings.state_directory).resolve()
    mount = find_mount(directory, root)
    if mount is None:
        return [Finding("skipped", message("this system does not show where the state directory is mounted"))]
    if mount.is_volatile:
        advice = message("set storage.directory to a folder on a disk")
        return [
            Finding(
                "warning",
                message("{directory} may be lost when the machine restarts", directory=directory),
                mount.kind,
                advice,
            )
        ]
    if not mount.on_card:
        return [
            Finding(
                "ok",
                message("{directory} is not on a flash card, as far as this system knows", directory=directory),
                mount.kind,
            )
        ]
    findings = []
    if not mount.options & {"noatime", "relatime"}:
        advice = message("mount {point} with noatime in /etc/fstab", point=mount.point)
        findings.append(
            Finding("warning", message("every read of a file also writes to the card"), mount.point, advice)
        )
    if swap := [one for one in list_swaps(root) if _is_on_card(one, root)]:
        advice = message("switch it off (systemctl disable --now dphys-swapfile), or swap to memory (zram)")
        findings.append(Finding("warning", message("this machine swaps to the card"), ", ".join(swap), advice))
    if (root / _JOURNAL).is_dir() and _is_on_card(f"/{_JOURNAL}", root):
        advice = message("keep it in memory: Storage=volatile in /etc/systemd/journald.conf")
        findings.append(
            Finding("warning", message("the system's journal is written to the card"), f"/{_JOURNAL}", advice)
        )
    return findings or [
        Finding(
            "ok", message("{directory} is on a card, and little else writes to it", directory=directory), mount.point
        )
    ]


async def check_outbox(context: CheckContext) -> list[Finding]:
    """See what waits for the cloud, and what it refused."""
    gateway = context.running_gateway
    depth, age_s = await gateway.outbox.stats()
    refused = sum(count.items for count in await gateway.outbox.counts() if count.state == "refused")
    findings = []
    age = message("the oldest for {age_s:.1f} h of running time", age_s=(age_s or 0) / 3600)
    evidence = join("; ", [age, gateway.outbox.unreachable]) if gateway.outbox.unreachable else age
    waiting = count_message("{count} call waits for the cloud", "{count} calls wait for the cloud", depth)
    if age_s is not None and age_s > _WARNING_AGE_S:
        status: Status = "failed" if age_s > _FAILURE_AGE_S else "warning"
        advice = message("see the findings on the cloud; nothing is lost meanwhile")
        findings.append(Finding(status, waiting, evidence, advice))
    if gateway.outbox.unclear:
        advice = message(
            "other software may answer in the cloud's place: check proxies, cloud.environment and "
            "cloud.base_url; calls may arrive more than once meanwhile"
        )
        what = message("what the cloud responds cannot be read, so what became of calls is not known")
        findings.append(Finding("warning", what, gateway.outbox.unclear, advice))
    if gateway.outbox.held:
        advice = message(
            "sunmi-gateway outbox list --state waiting; drop what is out of date, then sunmi-gateway outbox release"
        )
        what = count_message(
            "the outbox was restored and is held back: {count} call waits for a person",
            "the outbox was restored and is held back: {count} calls wait for a person",
            depth,
        )
        findings.append(Finding("warning", what, "", advice))
    if others := await gateway.outbox.accounts.count_held():
        advice = message(
            "correct cloud.environment, cloud.app_id and cloud.shop_id if they are wrong; else list "
            "the calls (sunmi-gateway outbox list --state waiting), drop them, or send them to the "
            "account of the settings: sunmi-gateway outbox release --to-current"
        )
        what = message("calls wait for another account than {current}", current=gateway.outbox.accounts.current)
        findings.append(Finding("warning", what, "; ".join(map(str, others)), advice))
    if refused:
        advice = message("sunmi-gateway outbox list --state refused; then retry, edit or drop each")
        what = count_message(
            "{count} call was refused by the cloud", "{count} calls were refused by the cloud", refused
        )
        findings.append(Finding("warning", what, "", advice))
    return findings or [Finding("ok", waiting, evidence if depth else "")]


def _find_existing(path: Path) -> Path:
    """Return the folder, or the nearest one above that exists."""
    return next(one for one in (path, *path.absolute().parents) if not _is_missing(one))


def _is_missing(path: Path) -> bool:
    """Tell whether there is no such file. One on a disk that reports errors is not missing."""
    try:
        return not path.exists()
    except OSError:
        return False


def _lacks_permission(path: Path) -> bool:
    try:
        path.stat()
    except OSError as exc:
        return isinstance(exc, PermissionError)
    return not os.access(path, os.R_OK)


def _is_on_card(path: str, root: Path) -> bool:
    if path.startswith("/dev/"):
        return "/mmcblk" in path
    mount = find_mount(Path(path), root)
    return mount is not None and mount.on_card
