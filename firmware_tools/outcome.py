"""The JSON form of what was written or found, the same in every command and report."""

from typing import Any

from firmware_tools.card import Card, CardFile
from firmware_tools.firmware import Firmware
from firmware_tools.verification import Findings
from firmware_tools.writer import Written


def card_document(card: Card) -> dict[str, Any]:
    """Return what a card is for."""
    return {
        "mac": str(card.mac),
        "label": card.mac.label,
        "mode": card.file.mode,
        "file": card.file.value,
        "model": card.model,
        "channel": card.channel,
        "version": card.version,
    }


def written_document(written: Written, firmware: Firmware) -> dict[str, Any]:
    """Return what was written."""
    return {
        **card_document(written.record.card),
        "firmware": firmware.name,
        "firmware_size": firmware.size,
        "sha256": written.record.sha256.hex(),
    }


def findings_document(findings: Findings) -> dict[str, Any]:
    """Return what a verification found."""
    record = findings.record
    return {
        "good": findings.good,
        "fault": findings.fault,
        "label": findings.label,
        "file": findings.file.value if findings.file else None,
        "firmware_size": findings.size,
        "sha256": findings.sha256,
        "record": {**card_document(record.card), "sha256": record.sha256.hex()} if record else None,
        "notes": findings.notes,
    }


def advice(card: Card) -> list[str]:
    """Return what an installer has to know that nobody can check here."""
    model = f"this is for {card.model}" if card.model else "which is not recorded with this card"
    version = f"this is {card.version}" if card.version else "which is not recorded with this card"
    hints = [
        f"a camera accepts only firmware of its own model ({model}) and of another version than it runs ({version})",
        f"expected LED: {card.file.led_sequence}",
    ]
    if card.file is CardFile.UPDATE_AS_MISPRINTED:
        hints.append("ip-up.bin is the spelling of one page of the vendor's; without an update, use ipc-up.bin")
    return hints
