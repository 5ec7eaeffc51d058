"""Records in the audit log that a state was restored at the start: the log is that of the restored state."""

import dataclasses
import logging
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.audit.change import NewChange
from gateway.audit.log import AuditLog
from gateway.storage.state_replacement import load_outcome, save_outcome

_RESTORED: Final = message("Restore a backup")
_FAILED: Final = message("Restore a backup, which failed")

_log: Final = logging.getLogger(__name__)


async def record_restoration(directory: Path, audit: AuditLog) -> None:
    """Record what became of a state that waited for this start, once."""
    outcome = load_outcome(directory)
    if outcome is None or outcome.recorded:
        return
    action = _FAILED if outcome.problem else _RESTORED
    await audit.add(NewChange(outcome.state.who, "console", action, outcome.state.made_at))
    try:
        save_outcome(directory, dataclasses.replace(outcome, recorded=True))
    except OSError as exc:
        _log.error("%s cannot be marked as recorded: %s", outcome.state.made_at, exc)
