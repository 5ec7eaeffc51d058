"""The report of a batch: JSON, from which a run resumes, and a page to print with a label for each card."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware_tools.batch.plan import EventFilter
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.outcome import card_document

DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(slots=True)
class Entry:
    """What became of one card."""

    wanted: EventFilter
    state: str = WAITING
    place: str = ""
    """The image file or the drive."""
    made_at: str = ""
    reason: str = ""

    @property
    def key(self) -> dict[str, Any]:
        """What has to be alike for a card to count as already made."""
        return {**card_document(self.wanted.card), "sha256": self.wanted.sha256.hex()}

    def succeed(self, place: str) -> None:
        """Note that the card was made and read back."""
        self.state, self.place, self.reason = DONE, place, ""
        self.made_at = datetime.now(UTC).isoformat(timespec="seconds")

    def fail(self, reason: str) -> None:
        """Note why the card was not made."""
        self.state, self.reason = FAILED, reason

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "line": self.wanted.line,
            **self.key,
            "firmware": self.wanted.firmware.name,
            "firmware_size": self.wanted.firmware.size,
            "led": self.wanted.card.file.led_sequence,
            "state": self.state,
            "place": self.place,
            "made_at": self.made_at,
            "reason": self.reason,
        }


@dataclass(slots=True)
class Report:
    """What became of each card of a list, kept in a folder and saved after each card."""

    folder: Path
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def resume(cls, folder: Path, plan: Sequence[EventFilter]) -> "Report":
        """Begin a report, or go on with the one in the folder; raise `InputRefused` if that cannot be read."""
        report = cls(folder, [Entry(wanted) for wanted in plan])
        path = folder / "report.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            cards = json.loads(path.read_text(encoding="utf-8"))["cards"] if path.exists() else []
            for entry in report.entries:
                for card in cards:
                    if card["state"] == DONE and all(card[name] == value for name, value in entry.key.items()):
                        entry.state, entry.place, entry.made_at = DONE, card["place"], card["made_at"]
        except OSError as error:
            raise MediumFailed.during("opening", str(folder), error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputRefused(f"{path}: it is no report of ours; move it away or choose another folder") from error
        return report

    def count(self, state: str) -> int:
        """Return how many cards are in this state."""
        return sum(entry.state == state for entry in self.entries)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "done": self.count(DONE),
            "failed": self.count(FAILED),
            "waiting": self.count(WAITING),
            "notes": self.notes,
            "cards": [entry.to_document() for entry in self.entries],
        }

    def save(self) -> None:
        """Write both files; each is replaced as a whole."""
        texts = {
            "report.json": json.dumps(self.to_document(), indent=2, ensure_ascii=False),
            "report.html": self.page(),
        }
        for name, text in texts.items():
            path = self.folder / name
            try:
                unfinished = path.with_name(f".{name}.incomplete")
                unfinished.write_text(text, encoding="utf-8")
                unfinished.replace(path)
            except OSError as error:
                raise MediumFailed.during("writing", str(path), error) from error

    def page(self) -> str:
        """Return the page to print."""
        summary = f"{self.count(DONE)} of {len(self.entries)} cards made and read back"
        notes = "".join(f"<p>Note: {html.escape(note)}</p>" for note in self.notes)
        return _PAGE.format(summary=summary, notes=notes, labels="\n".join(map(_label, self.entries)))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Firmware cards</title>
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
<h1>Firmware cards</h1>
<p>{summary}. Insert the card, then power the camera on. Afterwards remove the firmware from the card, so that the
camera does not update again. A camera accepts only firmware of its own model and of another version than it runs.</p>
{notes}
<div class="labels">
{labels}
</div>
</body>
</html>
"""


def _label(entry: Entry) -> str:
    card = entry.wanted.card
    rows = {
        "MAC": str(card.mac),
        "Model": card.model or "not recorded",
        "Version": card.version or "not recorded",
        "Channel": card.channel or "not recorded",
        "File": f"{card.file.value} ({card.file.mode})",
        "SHA-256": entry.wanted.sha256.hex(),
        "LED": card.file.led_sequence,
        "State": f"{entry.state} {entry.made_at}{entry.reason}",
    }
    cells = "".join(
        f"<dt>{name}</dt><dd>{f'<code>{html.escape(text)}</code>' if name == 'SHA-256' else html.escape(text)}</dd>"
        for name, text in rows.items()
    )
    return f'<section class="card {entry.state}"><h2>{card.mac.label}</h2><dl>{cells}</dl></section>'
