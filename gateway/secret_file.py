"""Secrets that stand in a file of their own."""

from collections.abc import Callable
from pathlib import Path

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.protocol.values import InvalidValue


def read_secret_file(file: Path, where: str, check: Callable[[str], str]) -> str:
    """Return the secret in a file, without the line ends around it. Raises `SettingsError`, which names `where`.

    `check` returns the secret as it is used, or raises `InvalidValue`.
    """
    try:
        secret = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc if isinstance(exc, OSError) else message("is not text")
        what = message("{where}: {file} cannot be read: {reason}", where=where, file=file, reason=reason)
        raise SettingsError(what) from exc
    if not secret.strip():
        raise SettingsError(message("{where}: {file} is empty", where=where, file=file))
    try:
        return check(secret)
    except InvalidValue as exc:
        what = message("{where}: {file} {problem}", where=where, file=file, problem=exc.reason)
        raise SettingsError(what) from exc
