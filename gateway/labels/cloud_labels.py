"""What the cloud says of shelf labels, and binding one to the shop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from firmware_tools.language import message
from gateway.cloud.client import CloudClient
from gateway.cloud.pages import read_pages
from gateway.errors import CloudResponseMalformed, VendorRefused
from gateway.labels.label_name import is_label_code
from gateway.protocol.catalogue import CATALOGUE

NOT_ACTIVATED: Final = 0
NOT_BOUND: Final = 1
WAITING_FOR_DATA: Final = 2
PUSHED: Final = 3
PUSH_FAILED: Final = 4
"""The vendor's states of a label (Electronic Shelf Label, 4.3.4)."""
INVALID_LABEL_CODES: Final = (5020, 5023, 5301, 5502)
"""What the cloud answers for a label that it does not know, or does not know in this shop (NOTES: Shelf labels)."""
BOUND_ELSEWHERE: Final = 5338
"""What the cloud answers when a label is to be bound that another shop has."""
_MAX_TEXT: Final = 64
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999. The vendor's sample of a contact has a digit too many."""

_INFO: Final = CATALOGUE.get("cloud", "device/esl/getInfo")
_LIST: Final = CATALOGUE.get("cloud", "device/esl/getList")
_BIND: Final = CATALOGUE.get("cloud", "device/esl/bind")


@dataclass(frozen=True, slots=True)
class LabelReading:
    """What the cloud says of a label. A value of which it says nothing, or nothing that can be read, is None."""

    status: int | None
    """The vendor's state: one of the numbers above."""
    battery: int | None
    """Charge in percent."""
    rssi: int | None
    """Strength of the radio signal in dBm."""
    contact_at: int | None
    """When it was heard last, in Unix seconds."""
    ap_id: str | None
    """The access point that it uses."""
    esl_sn: str | None
    """Its serial number."""
    model_name: str | None
    """Its model, as the cloud says it."""
    read_at: int
    """When the cloud said so, in Unix seconds."""

    def describe(self) -> dict[str, Any]:
        """Return its fields as JSON."""
        return asdict(self)


class CloudLabel(NamedTuple):
    """How the cloud names a label, and what it says of it."""

    esl_id: str
    """The cloud's id."""
    esl_code: str
    """The printed code; empty if the cloud does not say it."""
    reading: LabelReading
    """What it says."""


class CloudLabels:
    """Asks the cloud about the labels of one shop. Every method raises what calls raise."""

    def __init__(self, cloud: CloudClient, shop: Mapping[str, str]) -> None:
        """`shop` names the shop in calls."""
        self._cloud = cloud
        self._shop = shop

    async def read(self, *, esl_id: str = "", esl_code: str = "", now: int) -> CloudLabel:
        """Ask for one label, by its id or its code."""
        named = {"esl_id": esl_id} if esl_id else {"esl_code": esl_code}
        response = await self._cloud.call(_INFO.encode(named, defaults=self._shop))
        data = response.data if isinstance(response.data, Mapping) else {}
        found_id = _read_text(data, "esl_id")
        if found_id is None:
            raise CloudResponseMalformed(message("the cloud's answer about a label names no esl_id"))
        reading = LabelReading(
            status=_read_number(data, "status", 0, 99),
            battery=_read_number(data, "battery", 0, 100),
            rssi=_read_number(data, "rssi", -200, 200),
            contact_at=_read_number(data, "connect_time", 1, min(now + 86400, _LAST_SECOND)),
            ap_id=_read_text(data, "ap_id"),
            esl_sn=_read_text(data, "esl_sn"),
            model_name=_read_text(data, "model_name"),
            read_at=now,
        )
        return CloudLabel(found_id, _read_text(data, "esl_code") or "", reading)

    async def identify(self, name: str, *, now: int) -> CloudLabel:
        """Find a label by what a person calls it; one that belongs to no shop is bound to this one.

        Eight digits can be an id as well as a code. Raises `VendorRefused` if the cloud knows no such label.
        """
        try:
            return (
                await self.read(esl_id=name, now=now) if name.isdecimal() else await self.read(esl_code=name, now=now)
            )
        except VendorRefused as exc:
            if exc.vendor_code not in INVALID_LABEL_CODES or not is_label_code(name):
                raise
        if name.isdecimal():
            try:
                return await self.read(esl_code=name, now=now)
            except VendorRefused as exc:
                if exc.vendor_code not in INVALID_LABEL_CODES:
                    raise
        await self._cloud.call(_BIND.encode({"esl_code": name}, defaults=self._shop))
        return await self.read(esl_code=name, now=now)

    async def list_states(self, *, on_page: Callable[[], None]) -> dict[str, int]:
        """Return the vendor's states of all labels of the shop, by their ids. `on_page` is called for each page."""
        malformed = message("the cloud's list of labels cannot be read")
        return await read_pages(
            self._cloud, _LIST, self._shop, member="esl_list", read_rows=_read_states, malformed=malformed,
            on_page=on_page,
        )  # fmt: skip


def _read_states(rows: Sequence[Any]) -> dict[str, int]:
    """Return the states of the labels of a page, by their ids."""
    found: dict[str, int] = {}
    for row in rows:
        esl_id = _read_text(row, "esl_id") if isinstance(row, Mapping) else None
        status = _read_number(row, "status", 0, 99) if esl_id else None
        if esl_id and status is not None:
            found[esl_id] = status
    return found


def _read_text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= _MAX_TEXT and text.isprintable() else None


def _read_number(data: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = data.get(name)
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        return None
    return number if number is not None and low <= number <= high else None
