"""The archive: a .tar.gz that ordinary tools read, with a manifest that tells what is in it and proves it whole.

sunmi-gateway/manifest.json
sunmi-gateway/settings/gateway.toml
sunmi-gateway/files/cloud.ca_file        the files that the settings name, by key
sunmi-gateway/state/…                    the state directory, with a copy of the database
"""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from gateway.errors import StateError
from gateway.storage.private_file import open_replacement

FORMAT: Final = 1
SETTINGS: Final = "settings/gateway.toml"
STATE: Final = "state/"
FILES: Final = "files/"
MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""The largest size of a member that is read into memory."""

_FOLDER: Final = "sunmi-gateway/"
_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    version: str
    """The gateway's version that made it."""
    created_at: str
    """When it was made, as the REST API shows times."""
    schema: list[str]
    """Names of the migrations that the database has had."""
    named: dict[str, str]
    """Paths of the files that settings name, by `section.key`."""
    members: dict[str, str]
    """The SHA-256 of each member, by its name."""


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


def verify(file: Path) -> tuple[Manifest, str | None]:
    """Read a whole archive; return its manifest and the text of its settings.

    Raises `StateError` where it is damaged, none of ours, or made by a newer gateway.
    """
    settings = None
    with _open_archive(file) as archive:
        members = iter(archive)
        first = next(members, None)
        if first is None or first.name != _FOLDER + _MANIFEST or first.size > MAX_TEXT_BYTES:
            raise StateError(f"{file} is no backup of a gateway: it does not begin with {_FOLDER}{_MANIFEST}")
        manifest = _parse_manifest(file, _open_member(archive, first).read())
        missing = dict(manifest.members)
        for member in members:
            name = member.name.removeprefix(_FOLDER)
            if not member.isreg() or missing.pop(name, None) is None:
                raise StateError(f"{file} is damaged: {member.name} does not belong into it")
            content = _open_member(archive, member)
            if name == SETTINGS:
                text = content.read(MAX_TEXT_BYTES)
                settings, content = text.decode("utf-8", "replace"), io.BytesIO(text)
            if compute_sha256(content) != manifest.members[name]:
                raise StateError(f"{file} is damaged: the checksum of {member.name} is wrong; take another backup")
    if missing:
        raise StateError(f"{file} is damaged: {_FOLDER}{next(iter(missing))} is missing; take another backup")
    return manifest, settings


def extract(file: Path, inside: str, folder: Path) -> None:
    """Write one member, or all below a folder of the archive, into a folder, readable by the owner alone.

    The archive was verified before.

    Raises `StateError` and `OSError`.
    """
    with _open_archive(file) as archive:
        for member in archive:
            name = member.name.removeprefix(_FOLDER)
            if not name.startswith(inside):
                continue
            target = folder / (name.removeprefix(inside) or PurePosixPath(inside).name)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                source = _open_member(archive, member)
                while chunk := source.read(_CHUNK_BYTES):
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())


def _parse_manifest(file: Path, text: bytes) -> Manifest:
    try:
        document: dict[str, Any] = json.loads(text)
        if document["format"] != FORMAT:
            made_by = document["version"]
            raise StateError(f"{file} was made by version {made_by}, in another format: install that version")
        manifest = Manifest(**{one.name: document[one.name] for one in dataclasses.fields(Manifest)})
        if not all(_is_safe(name) for name in manifest.members):
            raise ValueError("a member's name leads elsewhere")
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise StateError(f"{file} is damaged: its manifest cannot be read ({exc})") from exc
    return manifest


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        name.startswith((STATE, FILES, SETTINGS)) and path.as_posix() == name and ".." not in path.parts
        and "\\" not in name and ":" not in name
    )  # fmt: skip


def _make_entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(_FOLDER + name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    return entry


@contextlib.contextmanager
def _open_archive(file: Path) -> Iterator[tarfile.TarFile]:
    """Open the archive. Raises `OSError` where the file cannot be read, `StateError` where it is no archive."""
    try:
        with tarfile.open(file, mode="r:gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as exc:
        raise StateError(f"{file} is damaged, or no .tar.gz: {exc}; take another backup") from exc


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise tarfile.TarError(f"{member.name} is no file")
    return content
