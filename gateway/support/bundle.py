"""The support bundle: a .tar.gz of JSON and text that somebody else may read."""

import importlib.metadata
import io
import platform
import re
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from firmware_tools.language import message
from gateway import __version__
from gateway.errors import StateError
from gateway.protocol import json_text
from gateway.runtime.redaction import Redactor
from gateway.storage.private_file import open_replacement

_FOLDER: Final = "sunmi-gateway-support/"
_MAX_LOG_BYTES: Final = 1024 * 1024
_READ_JOURNAL: Final = ("journalctl", "--unit=sunmi-gateway", "--lines=5000", "--no-pager", "--output=short-iso")
_JOURNAL_TIMEOUT_S: Final = 15
_ITEM_MEMBERS: Final = ("outbox_id", "path", "state", "sequence", "created_at", "attempts", "vendor_code")


def collect_versions() -> dict[str, Any]:
    """Return the versions of the gateway, of what it stands on, and of its packages."""
    requirements = importlib.metadata.requires("sunmi-gateway") or []
    names = sorted({re.split(r"[^A-Za-z0-9_.-]", one)[0] for one in requirements})
    return {
        "gateway": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "machine": platform.machine(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "packages": {name: _find_version(name) for name in names},
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _find_version(package: str) -> str | None:
    """Return the version of a package; None for an optional one that is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def remove_content(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outbox item, as the REST API shows it, without its content."""
    return {name: item.get(name) for name in _ITEM_MEMBERS}


def read_log(file: Path | None) -> str:
    """Return the end of a log file, or of the service's journal if `file` is None, or why there is no journal.

    Raises `StateError` where the file cannot be read.
    """
    if file is not None:
        try:
            with file.open("rb") as stream:
                stream.seek(max(0, file.stat().st_size - _MAX_LOG_BYTES))
                return stream.read(_MAX_LOG_BYTES).decode("utf-8", "replace")
        except OSError as exc:
            raise StateError(message("{file} cannot be read: {reason}", file=file, reason=exc)) from exc
    try:
        done = subprocess.run(_READ_JOURNAL, capture_output=True, timeout=_JOURNAL_TIMEOUT_S, check=True)  # noqa: S603  constant
    except (OSError, subprocess.SubprocessError) as exc:
        return f"there is no journal of the service here ({type(exc).__name__}); name a log with --log\n"
    return done.stdout[-_MAX_LOG_BYTES:].decode("utf-8", "replace")


def write_bundle(target: Path, parts: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """Write the parts by file name, redacted: a text as it is and all else as JSON; return the names.

    Raises `StateError`, also where the file exists.
    """
    try:
        if target.exists():
            raise StateError(message("{target} exists: name a new file", target=target))
        with open_replacement(target) as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for name, part in parts.items():
                redacted = redactor.redact_document(part)
                text = redacted if isinstance(redacted, str) else json_text.dumps(redacted, indent=2)
                content = text.encode("utf-8", "replace")
                entry = tarfile.TarInfo(_FOLDER + name)
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
                archive.addfile(entry, io.BytesIO(content))
    except OSError as exc:
        raise StateError(message("{target} cannot be written: {reason}", target=target, reason=exc)) from exc
    return list(parts)
