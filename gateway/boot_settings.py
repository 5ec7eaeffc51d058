"""Settings from the boot partition of an appliance: a person without a login puts a file there, which is taken once.

Any computer can write to that partition (FAT). Root takes the file before the service starts. One replacement of the
settings file does everything, and the new one names the SHA-256 of what was taken: after a power cut the file was
taken wholly or not at all, and it is never taken twice.

The file may also hold a pairing code that the person has chosen. It is offered only when the file is gone, and kept in
a folder that the system forgets when the service stops, so that it never becomes a lasting secret.

A join code of a chain's head office goes into the state directory, where it stays until the service has joined with it.
It comes there when the settings are replaced, and the file goes last: what failed is taken again, the whole of it.
"""

import contextlib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from firmware_tools.language import Language, Message, describe_error, message, translate
from gateway.errors import SettingsError, StateError
from gateway.fleet.join_code import JoinCode
from gateway.runtime.systemd import PAIRING_CODE_FILE
from gateway.settings import Settings, load_settings, parse_settings
from gateway.storage.private_file import copy_rights, find_free_name, prepare_for, sync_folder, write_for, write_private
from gateway.storage.state_directory import JOIN_CODE_FILE

FILE_NAMES: Final = ("sunmi-gateway.toml", "sunmi-gateway.toml.txt")
"""How the file is named; the second is what Windows makes of the first where it hides the ends of names."""
LOG_FILE: Final = "sunmi-gateway.log.txt"
"""What became of the file, beside it."""
MAX_BYTES: Final = 65536
"""No file is larger."""
SERVICE_USER: Final = "sunmi-gateway"
"""The user of the service, and the group, which has to read the settings."""
PAIRING_CODE_KEY: Final = "pairing_code"
"""The key of the file that holds a pairing code; the others are settings."""
JOIN_CODE_KEY: Final = "join_code"
"""The key of the file that holds a join code."""
_PAIRING_CODE: Final = re.compile(r"[0-9A-Z]{8,16}")
_MIN_DIFFERENT: Final = 5

_ENCODINGS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
"""What the editors of Windows write, by how a file begins."""


class TakenSettings(NamedTuple):
    """What became of a file on the boot partition."""

    file: Path
    """The file."""
    settings_file: Path
    """Where the settings are now."""
    put_aside: Path | None
    """The earlier settings file; None if there was none."""
    is_repeat: bool
    """Whether the file had been taken before, and was only removed now."""
    left_because: str
    """Why the file could not be removed; empty if it was."""
    offers_code: bool
    """Whether the pairing code in it is offered now."""
    joins_as: str
    """The shop as which the service joins a chain now; empty if there is no join code in it."""


def take_boot_settings(
    folders: Sequence[Path],
    settings_file: Path,
    runtime_directory: Path | None = None,
    *,
    packaged: Path | None = None,
) -> TakenSettings | None:
    """Take the settings of the file in the first folder that has one; None if none has.

    A pairing code goes into `runtime_directory`, which is the service's; a file with nothing else leaves the settings.
    What `packaged`, the settings file of the package, sets holds where the file does not name it.

    Writes what happened into a file beside it, for a person who has nothing else. Raises `SettingsError` if the
    settings are not valid and `StateError` if they cannot be read or written: then they stay as they are, and so does
    the file.
    """
    for folder in folders:
        found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
        if not found:
            continue
        try:
            done = _take(found, settings_file, runtime_directory, packaged)
        except (SettingsError, StateError) as exc:
            write_log(
                folder / LOG_FILE,
                message("The settings were not taken, and the earlier ones stay. Mend this, and start again:"),
                describe_error(exc),
            )
            raise
        if done is not None:
            code = message("The pairing code is good once, for ten minutes from the start on.")
            joins = message(
                "The gateway joins its chain as {shop} as soon as it reaches the head office, and then starts again. "
                "If it does not, the console and `sunmi-gateway doctor` say why.",
                shop=done.joins_as,
            )
            write_log(
                folder / LOG_FILE,
                message("The file was taken; the gateway starts with it."),
                done.left_because,
                code if done.offers_code else "",
                joins if done.joins_as else "",
            )
        return done
    return None


def _take(
    found: Sequence[Path], settings_file: Path, runtime_directory: Path | None, packaged: Path | None
) -> TakenSettings | None:
    file = found[0]
    if len(found) > 1:
        names = " + ".join(one.name for one in found)
        raise SettingsError(message("there are two files, {names}: delete one of them", names=names))
    content = _read(file)
    if not content.strip(b"\0"):  # overwritten, but not removed any more before a power cut
        _erase(file)
        return None
    text, code, join_code = _split_codes(_decode(file.name, content), file.name)
    if code is not None and runtime_directory is None:
        raise SettingsError(
            message(
                "{path}: {key} is offered only by the service: let it take the file (sudo systemctl restart "
                "sunmi-gateway), or leave that line out",
                path=file.name,
                key=PAIRING_CODE_KEY,
            )
        )
    parsed = parse_settings(text, file.name)
    is_repeat, aside, has_settings = False, None, bool(text.strip()) or (code is None and join_code is None)
    if has_settings and packaged is not None:
        text = _complete(text, packaged)
        parsed = parse_settings(text, file.name)
    if join_code is not None and not has_settings and settings_file.exists():
        parsed = load_settings(settings_file, with_secret=False)
    with contextlib.nullcontext() if join_code is None else _keep_join_code(join_code, parsed, file.name):
        if has_settings:
            is_repeat, aside = _replace_settings(settings_file, text, file, content)
    left_because = _erase(file)
    offers_code = code is not None and not left_because
    if code is not None and runtime_directory is not None and offers_code:
        _offer(code, runtime_directory)
    joins_as = join_code.shop if join_code is not None else ""
    return TakenSettings(file, settings_file, aside, is_repeat, left_because, offers_code, joins_as)


def _complete(text: str, packaged: Path) -> str:
    """Return settings with those of the package that they do not name: its ports, and where the state is.

    Who prepares a card knows the account and the shop. Without these the console would be at another port than people
    are told, and commands would look for the gateway elsewhere than it is.
    """
    document = tomlkit.parse(text)
    for section, values in tomllib.loads(packaged.read_text(encoding="utf-8")).items():
        missing = {key: value for key, value in values.items() if key not in document.get(section, {})}
        if missing:
            document.setdefault(section, tomlkit.table()).update(missing)
    return document.as_string()


def _split_codes(text: str, name: str) -> tuple[str, str | None, JoinCode | None]:
    """Return the settings of a file, and its pairing code and its join code if it has them. Raises `SettingsError`."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return text, None, None  # the reader of settings says what is wrong
    if PAIRING_CODE_KEY not in document and JOIN_CODE_KEY not in document:
        return text, None, None
    pairing_code = str(document.pop(PAIRING_CODE_KEY)) if PAIRING_CODE_KEY in document else None
    join_code = str(document.pop(JOIN_CODE_KEY)) if JOIN_CODE_KEY in document else None
    return (
        document.as_string(),
        None if pairing_code is None else _check_pairing_code(pairing_code, name),
        None if join_code is None else _check_join_code(join_code, name),
    )


def _check_join_code(text: str, name: str) -> JoinCode:
    try:
        return JoinCode.parse(text)
    except ValueError as exc:
        reason = message("{path}: {key}: {reason}", path=name, key=JOIN_CODE_KEY, reason=describe_error(exc))
        raise SettingsError(reason) from exc


def _check_pairing_code(text: str, name: str) -> str:
    code = "".join(text.split()).replace("-", "").upper()
    if not _PAIRING_CODE.fullmatch(code) or len(set(code)) < _MIN_DIFFERENT:
        raise SettingsError(
            message(
                "{path}: {key} must have 8 to 16 letters and digits, at least {count} of them different",
                path=name,
                key=PAIRING_CODE_KEY,
                count=_MIN_DIFFERENT,
            )
        )
    return code


@contextlib.contextmanager
def _keep_join_code(code: JoinCode, settings: Settings, name: str) -> Iterator[None]:
    """Keep a join code for the service, until it has joined with it, unless the block raises.

    Raises `SettingsError` and `StateError`.
    """
    if settings.fleet.servers:
        raise SettingsError(
            message("{path}: {key} and servers in [fleet]: leave one of them out", path=name, key=JOIN_CODE_KEY)
        )
    file = settings.state_directory / JOIN_CODE_FILE
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with prepare_for(file, str(code).encode(), _find_service()):
            yield
    except OSError as exc:
        raise StateError(message("{path}: cannot be written: {reason}", path=file, reason=exc)) from exc


def _offer(code: str, runtime_directory: Path) -> None:
    """Hand a pairing code over to the service, which starts next. Raises `StateError`."""
    file = runtime_directory / PAIRING_CODE_FILE
    try:
        write_for(file, code.encode(), _find_service())
    except OSError as exc:
        raise StateError(message("{path}: cannot be written: {reason}", path=file, reason=exc)) from exc


def _replace_settings(settings_file: Path, text: str, file: Path, content: bytes) -> tuple[bool, Path | None]:
    """Write the settings unless they were taken before; return whether they were, and where the earlier ones are now.

    Raises `StateError`.
    """
    mark = f"# Taken from the boot partition, {file.name}, SHA-256 {hashlib.sha256(content).hexdigest()}"
    try:
        earlier = settings_file.read_bytes() if settings_file.exists() else None
        is_repeat = earlier is not None and mark.encode() in earlier.splitlines()
        aside = None
        if not is_repeat:
            for abandoned in settings_file.parent.glob(f".{settings_file.name}.*"):
                abandoned.unlink()
            aside = _put_aside(settings_file, earlier) if earlier is not None else None
            write_private(settings_file, f"{mark}\n{text}".encode())
        if (service := _find_service()) is not None:
            os.chown(settings_file, -1, service[1])
            settings_file.chmod(0o640)
    except OSError as exc:
        raise StateError(message("{path}: cannot be written: {reason}", path=settings_file, reason=exc)) from exc
    return is_repeat, aside


def decode_text(file: Path) -> str:
    """Return the text of a file that any editor may have written. Raises `SettingsError` and `StateError`."""
    return _decode(file.name, _read(file))


def _read(file: Path) -> bytes:
    """Return the content of a file, or too much of one that is too large. Raises `StateError`."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise StateError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc


def _decode(name: str, content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise SettingsError(message("{path}: is larger than {max_bytes} bytes", path=name, max_bytes=MAX_BYTES))
    mark, encoding = next((one for one in _ENCODINGS if content.startswith(one[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as exc:
        raise SettingsError(message("{path}: is no text in UTF-8: save it as UTF-8", path=name)) from exc
    return text.replace("\r\n", "\n")


def _put_aside(settings_file: Path, earlier: bytes) -> Path:
    """Keep the earlier settings, once also where a power cut came between. Raises `OSError`."""
    name = f"{settings_file.name}.replaced"
    for kept in settings_file.parent.glob(f"{name}-*"):
        if kept.is_file() and kept.read_bytes() == earlier:
            return kept
    aside = find_free_name(settings_file.with_name(name))
    write_private(aside, earlier)
    copy_rights(settings_file.stat(), aside)
    return aside


def _find_service() -> tuple[int, int] | None:
    """Return user and group of the service, where root runs this and they exist."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    try:
        found = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def _erase(file: Path) -> str:
    """Overwrite and remove a file, which may hold secrets; return why not, or an empty text.

    Flash memory may keep the earlier content all the same.
    """
    try:
        with file.open("r+b") as stream:
            stream.write(bytes(file.stat().st_size))
            stream.flush()
            os.fsync(stream.fileno())
        file.unlink()
        sync_folder(file.parent)
    except OSError as exc:
        return message(
            "{path} could not be removed ({reason}): delete it, since it may hold secrets",
            path=file.name,
            reason=exc,
        )
    return ""


def write_log(file: Path, headline: Message, *details: str) -> None:
    """Write what happened, in both languages, as the editors of Windows read it. The partition may be read-only."""
    lines = [translate(part, language) for language in Language for part in (headline, *details) if part]
    text = "\ufeff" + "\r\n".join([*lines, ""])
    with contextlib.suppress(OSError):
        if not (file.exists() and file.read_bytes() == text.encode()):
            file.write_bytes(text.encode())
