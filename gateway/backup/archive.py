"""The archive: a .tar.gz that ordinary tools read, with a manifest that tells what is in it and proves it whole.

sunmi-gateway/manifest.json
sunmi-gateway/settings/gateway.toml
sunmi-gateway/files/cloud.ca_file        the files that the settings name, by key
sunmi-gateway/state/…                    the state directory, with a copy of the database
sunmi-gateway/state/label-templates/…    the shop's own templates of shelf labels
"""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Final, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.settings import FILE_SETTINGS
from gateway.storage.private_file import open_replacement
from gateway.storage.state_directory import DATABASE_FILE, LABEL_TEMPLATES_FOLDER, STATE_FILES
from gateway.validation_texts import describe_validation_error

FORMAT: Final = 1
SETTINGS: Final = "settings/gateway.toml"
STATE: Final = "state/"
FILES: Final = "files/"
DATABASE: Final = f"{STATE}{DATABASE_FILE}"
FONT: Final = f"{FILES}labels.font"
NAMES: Final = frozenset(
    {
        SETTINGS,
        *(f"{FILES}{section}.{key}" for section, key in FILE_SETTINGS),
        *(f"{STATE}{name}" for name in STATE_FILES),
    }
)
"""Every member that an archive can have, besides its manifest and templates of labels."""
TEMPLATES: Final = f"{STATE}{LABEL_TEMPLATES_FOLDER}/"
MAX_FILE_BYTES: Final = 1024 * 1024
"""The largest size of a member that is neither a database nor a font."""
MAX_FONT_BYTES: Final = 32 * MAX_FILE_BYTES
"""The largest size of a font: one with Chinese signs has 5 to 20 MB."""
MAX_TEMPLATE_BYTES: Final = 65536
"""The largest size of a template of labels: the gateway reads no larger one."""
MAX_DATABASE_BYTES: Final = 8 * 1024**3

_TEMPLATE: Final = re.compile(re.escape(TEMPLATES) + r"[\w-][\w .()-]{0,99}\.toml")
_FOLDER: Final = "sunmi-gateway/"
_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1024 * 1024
_ORDINARY_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)

_Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z.+~-]{1,64}$")]
_Time = Annotated[str, Field(pattern=r"^[0-9TZ:.+-]{1,40}$")]
_MigrationName = Annotated[str, Field(pattern=r"^[0-9]{3}_[a-z_]{1,100}$")]
_Path = Annotated[str, Field(min_length=1, max_length=4096)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    version: _Version
    """The gateway's version that made it."""
    created_at: _Time
    """When it was made, as the REST API shows times."""
    schema: Annotated[list[_MigrationName], Field(max_length=1000)]
    """Names of the migrations that the database has had."""
    named: dict[str, _Path]
    """Paths of the files that settings name, by `section.key`."""
    members: dict[str, _Sha256]
    """The SHA-256 of each member, by its name."""


class Contents(NamedTuple):
    """What a verified archive holds."""

    manifest: Manifest
    settings: str | None
    """The text of the settings file; None where there was none."""
    database_bytes: int
    """The size of the database."""


_MANIFESTS: Final = TypeAdapter(Manifest)


def may_hold(name: str) -> bool:
    """Return whether an archive can have a member of this name."""
    return name in NAMES or bool(_TEMPLATE.fullmatch(name))


def find_limit(name: str) -> int:
    """Return how many bytes a member may have."""
    if name.startswith(TEMPLATES):
        return MAX_TEMPLATE_BYTES
    return {DATABASE: MAX_DATABASE_BYTES, FONT: MAX_FONT_BYTES}.get(name, MAX_FILE_BYTES)


def write(target: Path, manifest: Manifest, sources: Mapping[str, Path]) -> None:
    """Write an archive of these files by member name, readable by its owner alone (0600), whole or not at all.

    Raises `OSError`.
    """
    document = {"format": FORMAT, **dataclasses.asdict(manifest)}
    with open_replacement(target) as stream, tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
        text = json.dumps(document, indent=2).encode()
        archive.addfile(_make_entry(_MANIFEST, len(text)), io.BytesIO(text))
        for name, source in sources.items():
            with source.open("rb") as content:
                archive.addfile(_make_entry(name, source.stat().st_size), content)


def compute_sha256(source: IO[bytes]) -> str:
    """Return the SHA-256 of what is left to read."""
    state = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()


def verify(file: Path) -> Contents:
    """Read a whole archive and return what is in it.

    Raises `StateError` where it is damaged, not of a gateway, too large, or newer; `OSError` where the
    file cannot be read.
    """
    settings, database_bytes = None, 0
    with _open_archive(file) as archive:
        members = iter(archive)
        first = next(members, None)
        if first is None or first.name != _FOLDER + _MANIFEST or first.size > MAX_FILE_BYTES:
            raise StateError(
                message(
                    "{file} is no backup of a gateway: it does not begin with {folder}{manifest}",
                    file=file,
                    folder=_FOLDER,
                    manifest=_MANIFEST,
                )
            )
        manifest = _parse_manifest(file, _open_member(archive, first).read())
        missing = dict(manifest.members)
        for member in members:
            name = _check_member(file, member, manifest)
            if missing.pop(name, None) is None:
                raise StateError(message("{file} is damaged: {member} is in it twice", file=file, member=member.name))
            content = _open_member(archive, member)
            if name == DATABASE:
                database_bytes = member.size
            if name == SETTINGS:
                text = content.read()
                settings, content = text.decode("utf-8", "replace"), io.BytesIO(text)
            _check_content(file, manifest, name, compute_sha256(content))
        _read_to_end(archive)
    if missing:
        raise StateError(
            message(
                "{file} is damaged: {folder}{name} is missing; take another backup",
                file=file,
                folder=_FOLDER,
                name=next(iter(missing)),
            )
        )
    return Contents(manifest, settings, database_bytes)


def extract(file: Path, manifest: Manifest, inside: str, folder: Path) -> None:
    """Write one member, or all below a folder of the archive, into a folder, readable by the owner alone.

    Raises `StateError`, also where the archive has changed since it was verified, and `OSError`.
    """
    with _open_archive(file) as archive:
        members = iter(archive)
        next(members, None)
        for member in members:
            name = _check_member(file, member, manifest)
            if not name.startswith(inside):
                continue
            state = hashlib.sha256()
            target = folder / (name.removeprefix(inside) or name.rpartition("/")[2])
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                source = _open_member(archive, member)
                while chunk := source.read(_CHUNK_BYTES):
                    state.update(chunk)
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            _check_content(file, manifest, name, state.hexdigest())


def _parse_manifest(file: Path, text: bytes) -> Manifest:
    try:
        document = json.loads(text)
        if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
            made_by = str(document.get("version"))[:64]
            raise StateError(
                message(
                    "{file} was made by version {made_by}, in another format: install that version",
                    file=file,
                    made_by=made_by,
                )
            )
        manifest = _MANIFESTS.validate_json(text, strict=True)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))[:64] or _MANIFEST
        raise StateError(
            message(
                "{file} is damaged: its manifest cannot be read: {where}: {reason}",
                file=file,
                where=where,
                reason=describe_validation_error(first),
            )
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise StateError(
            message("{file} is damaged: its manifest is no JSON ({reason})", file=file, reason=exc)
        ) from exc
    for name in (*manifest.members, *(f"{FILES}{setting}" for setting in manifest.named)):
        if not may_hold(name):
            raise StateError(
                message(
                    "{file} was not made by this gateway: {name} does not belong into a backup",
                    file=file,
                    name=name[:64],
                )
            )
    for name in (DATABASE, *(f"{FILES}{setting}" for setting in manifest.named)):
        if name not in manifest.members:
            raise StateError(
                message(
                    "{file} is damaged: {folder}{name} is missing; take another backup",
                    file=file,
                    folder=_FOLDER,
                    name=name,
                )
            )
    return manifest


def _check_member(file: Path, member: tarfile.TarInfo, manifest: Manifest) -> str:
    """Return a member's name as the manifest has it. Raises `StateError` where it has no such file, or one so large."""
    name = member.name.removeprefix(_FOLDER)
    if member.type not in _ORDINARY_FILES or member.issparse() or name not in manifest.members:
        raise StateError(
            message("{file} is damaged: {member} does not belong into it", file=file, member=member.name[:64])
        )
    if member.size > (limit := find_limit(name)):
        raise StateError(
            message(
                "{file}: {member} has {size} bytes; at most {limit} are restored",
                file=file,
                member=member.name,
                size=member.size,
                limit=limit,
            )
        )
    return name


def _check_content(file: Path, manifest: Manifest, name: str, sha256: str) -> None:
    if sha256 != manifest.members[name]:
        raise StateError(
            message(
                "{file} is damaged: the checksum of {folder}{name} is wrong; take another backup",
                file=file,
                folder=_FOLDER,
                name=name,
            )
        )


def _make_entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(_FOLDER + name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    return entry


class _BoundedGzipFile(gzip.GzipFile):
    """The content of a .gz, for `tarfile`, which reads headers of any size into memory."""

    def read(self, size: int | None = -1) -> bytes:
        """Read that much. Raises `tarfile.ReadError` for more than a header of an ordinary file can have."""
        if size is None or not 0 <= size <= _CHUNK_BYTES:
            raise tarfile.ReadError(message("a header in it is too long"))
        return super().read(size)


@contextlib.contextmanager
def _open_archive(file: Path) -> Iterator[tarfile.TarFile]:
    """Open the archive. Raises `OSError` where the file cannot be read, `StateError` where it is no archive."""
    try:
        with _BoundedGzipFile(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as exc:
        raise StateError(
            message("{file} is damaged, or no .tar.gz: {reason}; take another backup", file=file, reason=exc)
        ) from exc


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what is behind the last member, and with it the checksum of the .gz. Raises `tarfile.ReadError`."""
    if archive.fileobj is None or len(archive.fileobj.read(2 * tarfile.RECORDSIZE)) >= 2 * tarfile.RECORDSIZE:
        raise tarfile.ReadError(message("more than its end is behind the last file"))


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise tarfile.TarError(message("{name} is no file", name=member.name))
    return content
