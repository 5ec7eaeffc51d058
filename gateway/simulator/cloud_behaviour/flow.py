"""Customer flow: numbers that look like a small shop's and are the same every time (seed 000, Cloud API, chapter 6)."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud_state import CloudBehaviour, CloudCall, Data

_LIST: Final = "count_list[]."
_WITHOUT_UNEXPOSED: Final = ("getTrendByWeek", "getTrendByMonth")
"""The samples of these leave the count out (notes, contradiction 50)."""
_KINDS: Final = ("regular_count", "stranger_count", "member_count")


def _answer(call: CloudCall) -> Data:
    _ = call.shop
    names = [known.path for known in call.endpoint.answer]
    columns = [name.removeprefix(_LIST) for name in names if name.startswith(_LIST)]
    if not columns:
        return _counts(names, call.endpoint.path)
    key, *counts = columns
    if call.endpoint.path.endswith(_WITHOUT_UNEXPOSED):
        counts.remove("unexposed_count")
    rows: Iterable[str | int] = _times(call) if key == "time" else range(1, 9)
    return {"count_list": [{key: row, **_counts(counts, f"{row}")} for row in rows]}


def _counts(names: Sequence[str], seed: str) -> dict[str, Any]:
    counts: dict[str, Any] = {name: zlib.crc32(f"{seed} {name}".encode()) % 10 for name in names}
    if set(_KINDS) < counts.keys():
        counts["total_count"] = sum(counts[kind] for kind in _KINDS)
    if "count" in counts:
        counts["count"] = str(counts["count"])  # text in this answer only (notes, contradiction 50)
    return counts


def _times(call: CloudCall) -> list[str]:
    step = call.endpoint.path.rpartition("getTrendBy")[2]
    if "/today/" in call.endpoint.path:
        now = datetime.fromtimestamp(call.now, UTC)
        return [f"{now:%Y-%m-%d} {hour:02}:00" for hour in range(now.hour + 1)]
    first, last = date.fromisoformat(call.fields["start_time"]), date.fromisoformat(call.fields["end_time"])
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if step == "Hour":  # not padded (notes, contradiction 50)
        return [f"{day} {hour}:00" for day in days for hour in range(24)]
    if step == "Month":
        return list(dict.fromkeys(f"{day:%Y-%m}" for day in days))
    return [str(day) for day in days[:: 7 if step == "Week" else 1]]


BEHAVIOURS: Final[Mapping[str, CloudBehaviour]] = {
    endpoint.path: _answer for endpoint in CATALOGUE.side("cloud") if endpoint.path.startswith("passengerFlow/")
}
