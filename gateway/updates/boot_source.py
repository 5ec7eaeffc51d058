"""The chain's repository of packages, from the boot partition: a file that only root may take, since apt trusts it.

Whoever prepares the memory card puts there what `packaging/repository.sh` has written for the shops. It may say where
the repository is and with which key its index is signed, and nothing by which apt would check less.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import describe_error, message
from gateway.boot_settings import decode_text, write_log
from gateway.errors import SettingsError, StateError
from gateway.updates.machine import Places, remove, write

FILE_NAMES: Final = ("sunmi-gateway.sources", "sunmi-gateway.sources.txt")
"""How the file is named; the second is what Windows makes of the first where it hides the ends of names."""
LOG_FILE: Final = "sunmi-gateway.sources.log.txt"
"""What became of it, beside it."""
SOURCE: Final = Places().source
"""Where apt and the installer of updates look for it."""

_WORD: Final = r"[a-z][a-z0-9.-]{0,63}"
_FIELDS: Final[Mapping[str, re.Pattern[str]]] = {
    "Types": re.compile("deb"),
    "URIs": re.compile(r"(https?://[A-Za-z0-9\[]|file:///)[A-Za-z0-9:/?&=._~%+@\[\]-]{0,500}"),
    "Suites": re.compile(_WORD),
    "Components": re.compile(_WORD),
    "Check-Date": re.compile("yes|no"),
    "Signed-By": re.compile(
        r"\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n \.\n"
        r"((?: [A-Za-z0-9+/=]{1,100}\n)+)"
        r" -----END PGP PUBLIC KEY BLOCK-----"
    ),
}
"""The fields that there have to be, each once, and what they may hold."""
_FIELD: Final = re.compile(r"([A-Za-z-]{1,40}):[ \t]*(.*)")
_PUBLIC_KEY_TAG: Final = 6
"""The packet of OpenPGP with which a public key begins."""


class TakenSource(NamedTuple):
    """What became of a file on the boot partition."""

    file: Path
    """The file."""
    address: str
    """Where the repository is."""
    is_new: bool
    """Whether the machine did not have this file before."""
    left_because: str
    """Why the file could not be removed; empty if it was."""


def take_boot_source(folders: Sequence[Path], source: Path = SOURCE) -> TakenSource | None:
    """Take the file of the first folder that has one; None if none has.

    Writes what happened into a file beside it. Raises `SettingsError` if it is not what the head office's script
    writes, and `StateError` if it cannot be read or written: then what the machine has stays, and so does the file.
    """
    for folder in folders:
        found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
        if not found:
            continue
        log = folder / LOG_FILE
        try:
            done = _take(found, source)
        except (SettingsError, StateError) as exc:
            headline = message("The repository of packages was not taken. Copy the file of the head office anew:")
            write_log(log, headline, describe_error(exc))
            raise
        text = message("Updates come from the repository at {address} from now on.", address=done.address)
        write_log(log, text, done.left_because)
        return done
    return None


def _take(found: Sequence[Path], source: Path) -> TakenSource:
    file = found[0]
    if len(found) > 1:
        names = " + ".join(one.name for one in found)
        raise SettingsError(message("there are two files, {names}: delete one of them", names=names))
    text, address = _check(decode_text(file), file.name)
    content = text.encode("ascii")
    try:
        is_new = not (source.exists() and source.read_bytes() == content)
        write(source, content, 0o644)
    except OSError as exc:
        raise StateError(message("{path}: cannot be written: {reason}", path=source, reason=exc)) from exc
    try:
        remove(file)
    except OSError as exc:
        left_because = message("{path} could not be removed ({reason}); that does no harm", path=file.name, reason=exc)
        return TakenSource(file, address, is_new, left_because)
    return TakenSource(file, address, is_new, "")


def _check(text: str, name: str) -> tuple[str, str]:
    """Return the text of the file as apt is to read it, and the address in it. Raises `SettingsError`."""
    fields = _read_fields(text.strip("\n"), name)
    if missing := [field for field in _FIELDS if field not in fields]:
        raise SettingsError(message("{path}: {fields} is missing", path=name, fields=", ".join(missing)))
    for field, pattern in _FIELDS.items():
        if not pattern.fullmatch(fields[field]):
            raise SettingsError(
                message("{path}: {field} is not as the head office's script writes it", path=name, field=field)
            )
    key = _FIELDS["Signed-By"].fullmatch(fields["Signed-By"])
    if key is None or not _is_public_key(key[1]):
        raise SettingsError(message("{path}: {field} holds no public key", path=name, field="Signed-By"))
    lines = [f"{field}:{value if value.startswith(chr(10)) else f' {value}'}" for field, value in fields.items()]
    return "\n".join(lines) + "\n", fields["URIs"]


def _read_fields(text: str, name: str) -> dict[str, str]:
    """Return the fields of the one paragraph that the file has. Raises `SettingsError`."""
    fields: dict[str, str] = {}
    field = ""
    for line in text.split("\n"):
        line = line.rstrip()
        if field and line.startswith(" "):
            fields[field] += f"\n{line}"
            continue
        begun = _FIELD.fullmatch(line)
        if begun is None or begun[1] not in _FIELDS or begun[1] in fields:
            raise SettingsError(
                message("{path}: {line!r} does not belong there, or stands there twice", path=name, line=line[:60])
            )
        field = begun[1]
        fields[field] = begun[2]
    return fields


def _is_public_key(lines: str) -> bool:
    """Return whether the lines of an armoured block begin a public key."""
    body = "".join(line.strip() for line in lines.splitlines() if not line.startswith(" ="))
    try:
        content = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    if not content or not content[0] & 0x80:
        return False
    tag = content[0] & 0x3F if content[0] & 0x40 else content[0] >> 2 & 0x0F
    return tag == _PUBLIC_KEY_TAG
