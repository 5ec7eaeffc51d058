"""The report of a batch: JSON, from which a run resumes, and a page to print with a label for each card."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from firmware_tools.batch.card_list import ListedCard
from firmware_tools.command_language import command_language, localize
from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.json_output import spec_to_json
from firmware_tools.language import Language, join, message

_JSON_NAME, _PAGE_NAME = "report.json", "report.html"
_LANGUAGE_TAGS = {Language.ENGLISH: "en", Language.CHINESE: "zh-Hans"}
_SHA256 = "SHA-256"
_TITLE = message("Firmware cards")
_INSTRUCTIONS = message(
    "Insert the card, then power the camera on. Afterwards remove the firmware from the card, so that the camera does "
    "not update again. A camera accepts only firmware of its own model and of another version than it runs."
)


class CardState(StrEnum):
    """How far a card of a batch is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


_STATES = {
    CardState.WAITING: message("waiting"),
    CardState.DONE: message("done"),
    CardState.FAILED: message("failed"),
}
"""The states, for people."""


@dataclass(slots=True)
class ReportEntry:
    """One card of a batch."""

    card: ListedCard
    """What the card is to be."""
    state: CardState = CardState.WAITING
    """How far it is."""
    place: str = ""
    """The image file or the drive that it was written to."""
    made_at: str = ""
    """When it was written and read back, in UTC as ISO 8601."""
    reason: str = ""
    """Why it failed."""

    @property
    def key(self) -> dict[str, Any]:
        """The JSON fields in which two cards must agree to be the same."""
        return {**spec_to_json(self.card.spec), "sha256": self.card.sha256.hex()}

    def mark_done(self, place: str) -> None:
        """Record that the card was written and read back."""
        self.state, self.place, self.reason = CardState.DONE, place, ""
        self.made_at = datetime.now(UTC).isoformat(timespec="seconds")

    def mark_failed(self, reason: str) -> None:
        """Record why the card was not written."""
        self.state, self.reason = CardState.FAILED, reason

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        spec, firmware = self.card.spec, self.card.firmware
        return {
            "line": self.card.line,
            **self.key,
            "firmware": firmware.name,
            "firmware_size": firmware.size,
            "camera_name": self.card.name,
            "camera_place": self.card.place,
            "led": spec.firmware_path.led_sequence,
            "state": self.state,
            "place": self.place,
            "made_at": self.made_at,
            "reason": self.reason,
        }


@dataclass(slots=True)
class BatchReport:
    """How far each card of a list is; saved to a folder after each card."""

    folder: Path
    """Where the report is saved."""
    entries: list[ReportEntry]
    """The cards, in the order of the list."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the list."""

    @classmethod
    def resume(cls, folder: Path, cards: Sequence[ListedCard]) -> "BatchReport":
        """Create a report, and mark as done the cards that a report in the folder says are done.

        Raises:
            InvalidInput: the report in the folder cannot be understood.
            IOFailed: the folder cannot be created, or the report in it cannot be read.

        """
        report = cls(folder, [ReportEntry(card) for card in cards])
        path = folder / _JSON_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            saved_cards = json.loads(path.read_text(encoding="utf-8"))["cards"] if path.exists() else []
            for entry in report.entries:
                for saved in saved_cards:
                    is_done = saved["state"] == CardState.DONE
                    if is_done and all(saved[name] == value for name, value in entry.key.items()):
                        entry.state, entry.place, entry.made_at = CardState.DONE, saved["place"], saved["made_at"]
        except OSError as error:
            raise IOFailed.from_os_error(message("opening"), str(folder), error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                message("{path}: it is no report of ours; move it away or choose another folder", path=path)
            ) from error
        return report

    def count(self, state: CardState) -> int:
        """Return how many cards are in this state."""
        return sum(entry.state == state for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "done": self.count(CardState.DONE),
            "failed": self.count(CardState.FAILED),
            "waiting": self.count(CardState.WAITING),
            "notes": self.notes,
            "cards": [entry.to_json() for entry in self.entries],
        }

    @property
    def page_path(self) -> Path:
        """The page to print."""
        return self.folder / _PAGE_NAME

    def save(self) -> None:
        """Write the JSON file and the page; each is replaced as a whole. Raise `IOFailed` if that is not possible."""
        _replace_file(self.folder / _JSON_NAME, json.dumps(self.to_json(), indent=2, ensure_ascii=False))
        _replace_file(self.page_path, self.render_page())

    def render_page(self) -> str:
        """Return the page to print, as HTML."""
        done = message(
            "cards made and read back: {done} of {count}", done=self.count(CardState.DONE), count=len(self.entries)
        )
        return _PAGE.format(
            language=_LANGUAGE_TAGS[command_language()],
            title=_show(_TITLE),
            instructions=_show(message("{summary}. {instructions}", summary=done, instructions=_INSTRUCTIONS)),
            notes="".join(f"<p>{_show(message('Note: {note}', note=note))}</p>" for note in self.notes),
            labels="\n".join(map(_render_label, self.entries)),
        )


def _replace_file(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.incomplete")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise IOFailed.from_os_error(message("writing"), str(path), error) from error


_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 10pt/1.35 sans-serif; margin: 1cm; }}
.labels {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5cm, 1fr)); gap: 4mm; }}
.card {{ border: 1px solid #000; border-radius: 2mm; padding: 3mm; break-inside: avoid; }}
.card h2 {{ font: bold 16pt monospace; margin: 0; }}
.card.failed, .card.waiting {{ border-style: dashed; }}
dl {{ display: grid; grid-template-columns: auto 1fr; gap: 0 3mm; margin: 2mm 0 0; }}
dt {{ color: #444; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
code {{ font-size: 8pt; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{instructions}</p>
{notes}
<div class="labels">
{labels}
</div>
</body>
</html>
"""


def _show(text: str) -> str:
    """Return a text as HTML, in the language of the command."""
    return html.escape(localize(text))


def _render_label(entry: ReportEntry) -> str:
    spec = entry.card.spec
    named = {message("Name"): entry.card.name, message("Place"): entry.card.place}
    unknown = message("not recorded")
    rows: dict[str, str] = {
        **{name: text for name, text in named.items() if text},
        "MAC": str(spec.mac),
        message("Model"): spec.model or unknown,
        message("Version"): spec.version or unknown,
        message("Channel"): spec.channel or unknown,
        message("File"): f"{spec.firmware_path.value} ({spec.firmware_path.mode})",
        _SHA256: entry.card.sha256.hex(),
        "LED": spec.firmware_path.led_sequence,
        message("State"): join(" ", filter(None, (_STATES[entry.state], entry.made_at, entry.reason))),
    }
    cells = "".join(
        f"<dt>{_show(name)}</dt><dd>{f'<code>{_show(text)}</code>' if name == _SHA256 else _show(text)}</dd>"
        for name, text in rows.items()
    )
    return f'<section class="card {entry.state}"><h2>{spec.mac.volume_label}</h2><dl>{cells}</dl></section>'
