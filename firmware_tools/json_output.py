"""JSON output: the form of cards and verification results in every command and report."""

from typing import Any

from firmware_tools.card import CardSpec
from firmware_tools.firmware import Firmware
from firmware_tools.verification import VerificationResult


def spec_to_json(spec: CardSpec) -> dict[str, Any]:
    """Return what a card is to be."""
    return {
        "mac": str(spec.mac),
        "label": spec.mac.volume_label,
        "mode": spec.firmware_path.mode,
        "file": spec.firmware_path.value,
        "model": spec.model,
        "channel": spec.channel,
        "version": spec.version,
    }


def written_card_to_json(spec: CardSpec, firmware: Firmware, sha256: str) -> dict[str, Any]:
    """Return what was written to a card."""
    return {
        **spec_to_json(spec),
        "firmware": firmware.name,
        "firmware_size": firmware.size,
        "sha256": sha256,
    }


def verification_to_json(result: VerificationResult) -> dict[str, Any]:
    """Return what verification found on a card."""
    record = result.record
    return {
        "good": result.is_good,
        "fault": result.fault,
        "label": result.label,
        "file": result.firmware_path.value if result.firmware_path else None,
        "firmware_size": result.firmware_size,
        "sha256": result.sha256,
        "record": {**spec_to_json(record.spec), "sha256": record.sha256.hex()} if record else None,
        "notes": result.notes,
    }
