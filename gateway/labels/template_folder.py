"""The shop's own templates: files in a folder, beside those that the gateway brings along."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from firmware_tools.language import describe_error, message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.labels.template import (
    MAX_TEMPLATES,
    TEMPLATE_FOLDER,
    PictureTemplate,
    load_included_templates,
    load_templates,
    parse_template,
)
from gateway.storage.private_file import write_private

_NAME: Final = re.compile(r"[\w-]{1,40}")

Stamp = tuple[tuple[str, int, int], ...]


class TemplateFolder:
    """A folder of template files. A file that changed is read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The folder. It need not exist."""
        self._stamp: Stamp | None = None
        self._templates: Mapping[str, PictureTemplate] = {}
        self._refusals: Sequence[InvalidRequest] = ()
        self._noted: Stamp = ()

    def load(self) -> tuple[Mapping[str, PictureTemplate], Sequence[InvalidRequest]]:
        """Return all templates by name, and what is wrong with files that are none."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            self._templates, self._refusals = load_templates(self.path)
            self._stamp = stamp
        return self._templates, self._refusals

    def find_changed(self) -> set[str]:
        """Return the names of templates whose files have come, changed or gone since the last call; first of all."""
        before, self._noted = self._noted, self._read_stamp()
        return {Path(file).stem for file, _, _ in set(before) ^ set(self._noted)}

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
        self._stamp = None
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
        self._stamp = None

    def is_included(self, name: str) -> bool:
        """Tell whether a template comes with the gateway, and no file of the shop has taken its place."""
        return name in load_included_templates() and not (self.path / f"{name}.toml").exists()

    def is_replacement(self, name: str) -> bool:
        """Tell whether a template of the shop has taken the place of one that comes with the gateway."""
        return name in load_included_templates() and not self.is_included(name)

    def _read_stamp(self) -> Stamp:
        found: list[tuple[str, int, int]] = []
        for path in sorted(self.path.glob("*.toml"))[:MAX_TEMPLATES]:
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((path.name, stat.st_ctime_ns, stat.st_size))  # `cp -p` keeps the time of modification
        return tuple(found)
