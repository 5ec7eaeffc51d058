"""Which camera of a plan has which firmware, and which need a card: firmware is updated from a memory card alone."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.shop.progress import CameraProgress

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class FirmwareGroup(NamedTuple):
    """Cameras of one model with the same firmware."""

    model: str
    """The model."""
    version: str
    """The version of their firmware."""
    cameras: int
    """How many they are."""
    needs_card: bool
    """Whether another camera of the model in the plan has newer firmware."""


class PlanFirmware:
    """The firmware of a plan's cameras, as far as they have said it."""

    def __init__(self, progress: Sequence[CameraProgress], registry: Registry) -> None:
        records = (registry.find(one.sn) for one in progress if one.sn)
        self._records = {one.sn: one for one in records if one is not None and one.software_version}
        self._newest: dict[str, str] = {}
        for one in self._records.values():
            self._newest[one.model] = max(self._newest.get(one.model, ""), one.software_version, key=_order)

    def describe(self) -> list[dict[str, Any]]:
        """Return the groups as the REST API shows them: by model, the newest first."""
        counts = Counter((one.model, one.software_version) for one in self._records.values())
        groups = [
            FirmwareGroup(model, version, cameras, self._is_older(model, version))
            for (model, version), cameras in counts.items()
        ]
        groups.sort(key=lambda one: _order(one.version), reverse=True)
        return [one._asdict() | {"model": one.model or None} for one in sorted(groups, key=lambda one: one.model)]

    def describe_camera(self, sn: str) -> dict[str, Any]:
        """Return what the REST API shows of one camera."""
        record = self._records.get(sn)
        return {
            "firmware": None if record is None else record.software_version,
            "needs_card": record is not None and self._is_older(record.model, record.software_version),
        }

    def find_newest(self, record: CameraRecord) -> str:
        """Return the newest version that a camera of the same model in the plan has."""
        return self._newest.get(record.model, record.software_version)

    def _is_older(self, model: str, version: str) -> bool:
        return _order(version) < _order(self._newest[model])


def _order(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, by which versions are ordered."""
    return tuple(map(int, _NUMBER.findall(version)))
