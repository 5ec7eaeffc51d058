"""The shop's own templates: files in a folder, beside those that the gateway brings along."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import describe_error, message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.labels.template import (
    MAX_TEMPLATES,
    TEMPLATE_FOLDER,
    InvalidTemplate,
    PictureTemplate,
    TemplateDoesNotFit,
    load_included_templates,
    load_template,
    parse_template,
)
from gateway.storage.private_file import write_private

_NAME: Final = re.compile(r"[\w-]{1,40}")

_SETTLE_S: Final = 2.0
"""How long a file must stay as it is before it takes the place of what was read before: it may be half written."""


class _Stamp(NamedTuple):
    """By what a file is known to have changed."""

    changed_ns: int
    """When, in nanoseconds of the Unix epoch; `cp -p` keeps the time of modification, but not this one."""
    size: int
    """In bytes."""


class _File(NamedTuple):
    """A file as it was read."""

    stamp: _Stamp
    """When it was read, and how large it was."""
    template: PictureTemplate | None
    """What it holds; None if that is no template."""
    refusal: InvalidRequest | None
    """What is wrong with it; None if nothing is."""


class TemplateFolder:
    """A folder of template files. A file that changed is read again once nobody writes it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The folder. It need not exist."""
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._unsettled: dict[str, tuple[_Stamp | None, float]] = {}
        """Files that changed, by name, with the monotonic time when that was seen."""
        self._noted: dict[str, _Stamp] = {}

    def load(self) -> tuple[Mapping[str, PictureTemplate], Sequence[InvalidRequest]]:
        """Return all templates by name, and what is wrong with files that are none."""
        with self._lock:
            self._read_changed()
            files = [self._files[name] for name in sorted(self._files)]
        own = {one.template.name: one.template for one in files if one.template is not None}
        return {**load_included_templates(), **own}, [one.refusal for one in files if one.refusal is not None]

    def find_changed(self) -> set[str]:
        """Return the names of templates whose files have come, changed or gone since the last call; first of all."""
        with self._lock:
            self._read_changed()
            before, self._noted = self._noted, {name: file.stamp for name, file in self._files.items()}
        return {Path(name).stem for name, _ in before.items() ^ self._noted.items()}

    def _read_changed(self) -> None:
        stamps = self._read_stamps()
        for name in stamps.keys() | self._files.keys():
            known, stamp = self._files.get(name), stamps.get(name)
            if known is None or (known.stamp != stamp and self._is_settled(name, stamp)):
                self._unsettled.pop(name, None)
                if stamp is None:
                    del self._files[name]
                else:
                    self._files[name] = _read_file(self.path / name, stamp)

    def _is_settled(self, name: str, stamp: _Stamp | None) -> bool:
        now = time.monotonic()
        seen, since = self._unsettled.get(name, (stamp, now))
        if seen != stamp:
            since = now
        self._unsettled[name] = stamp, since
        is_old = stamp is not None and time.time() - stamp.changed_ns / 1e9 >= _SETTLE_S
        return is_old or now - since >= _SETTLE_S

    def find(self, name: str) -> PictureTemplate:
        """Return a template. Raises `InvalidRequest`, which says what is wrong with its file where it has one."""
        templates, refusals = self.load()
        if name in templates:
            return templates[name]
        for refusal in refusals:
            if any(error.parameter.startswith(f"{name}.toml") for error in refusal.field_errors):
                raise refusal
        known = message("there is no template {name!r}; there are {names}", name=name[:40], names=", ".join(templates))
        raise InvalidRequest([FieldError("template", known)])

    def read(self, name: str) -> bytes:
        """Return the content of a template's file. Raises `NotFound`."""
        for folder in (self.path, TEMPLATE_FOLDER):
            try:
                if _NAME.fullmatch(name):
                    return (folder / f"{name}.toml").read_bytes()
            except OSError:
                continue
        raise NotFound(message("there is no template {name!r}", name=name[:40]))

    def save(self, name: str, content: bytes) -> PictureTemplate:
        """Keep a template in place of an older one. Raises `InvalidRequest`, `Conflict` and `StateError`."""
        if not _NAME.fullmatch(name):
            reason = message("must have 1 to 40 letters, digits, - or _")
            raise InvalidRequest([FieldError("name", reason)])
        template = parse_template(content, f"{name}.toml")
        templates, _ = self.load()
        if name not in templates and len(templates) >= MAX_TEMPLATES:
            raise Conflict(message("there are {count} templates already; delete one first", count=len(templates)))
        try:
            write_private(self.path / f"{name}.toml", content)
        except OSError as exc:
            raise StateError(
                message("the template {name!r} cannot be kept: {reason}", name=name, reason=describe_error(exc))
            ) from exc
        self._forget(name)
        return template

    def delete(self, name: str) -> None:
        """Delete a template of the shop; an included one of the same name comes back. Raises `NotFound`, `Conflict`."""
        try:
            if not _NAME.fullmatch(name):
                raise FileNotFoundError(name)
            (self.path / f"{name}.toml").unlink()
        except FileNotFoundError:
            if name in load_included_templates():
                reason = message("the template {name!r} comes with the gateway and cannot be deleted", name=name)
                raise Conflict(reason) from None
            raise NotFound(message("there is no template {name!r}", name=name[:40])) from None
        self._forget(name)

    def is_included(self, name: str) -> bool:
        """Tell whether a template comes with the gateway, and no file of the shop has taken its place."""
        return name in load_included_templates() and not (self.path / f"{name}.toml").exists()

    def is_replacement(self, name: str) -> bool:
        """Tell whether a template of the shop has taken the place of one that comes with the gateway."""
        return name in load_included_templates() and not self.is_included(name)

    def _forget(self, name: str) -> None:
        """Have the file of a template read again at once."""
        with self._lock:
            self._files.pop(f"{name}.toml", None)

    def _read_stamps(self) -> dict[str, _Stamp]:
        found: dict[str, _Stamp] = {}
        for path in sorted(self.path.glob("*.toml"))[:MAX_TEMPLATES]:
            try:
                stat = path.stat()
            except OSError:
                continue
            found[path.name] = _Stamp(stat.st_ctime_ns, stat.st_size)
        return found


def _read_file(path: Path, stamp: _Stamp) -> _File:
    try:
        return _File(stamp, load_template(path), None)
    except (InvalidTemplate, TemplateDoesNotFit) as exc:
        return _File(stamp, None, exc)
