"""Which cameras a list shows, and in which order: filters, sorting and pages, by the query of its address."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, Self, get_args
from urllib.parse import urlencode

from gateway.console.camera_report import CameraReport

PAGE_SIZE: Final = 50
_MAX_TEXT: Final = 100

Kind = Literal["all", "managed", "found", "offline", "not_activated"]
SortKey = Literal["name", "state", "address", "last_seen"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SORT_KEYS: Final[tuple[SortKey, ...]] = get_args(SortKey)

_SELECTS: Final[Mapping[Kind, Callable[[CameraReport], bool]]] = {
    "all": lambda report: True,
    "managed": lambda report: report.camera.managed,
    "found": lambda report: not report.camera.managed,
    "offline": lambda report: report.camera.managed and report.camera.was_scanned and not report.camera.online,
    "not_activated": lambda report: report.camera.activation == "not_activated",
}
_SEVERITY: Final = {"failed": 0, "warning": 1, "skipped": 2, "ok": 3}


def _sort_address(report: CameraReport) -> tuple[int, int, str]:
    """Sort addresses by number, then host names, then cameras without one."""
    host, _, port = report.camera.address.rpartition(":")
    try:
        return (0, int(ipaddress.ip_address(host.strip("[]"))), port)
    except ValueError:
        return (1, 0, report.camera.address) if host else (2, 0, "")


_SORTS: Final[Mapping[SortKey, Callable[[CameraReport], Any]]] = {
    "name": lambda report: report.title.casefold(),
    "state": lambda report: (_SEVERITY[report.status], not report.camera.managed),
    "address": _sort_address,
    "last_seen": lambda report: float("inf") if report.silent_s is None else report.silent_s,
}


@dataclass(frozen=True, slots=True)
class CameraQuery:
    """What a person wants to see. Whatever an address says, it is one of these."""

    text: str = ""
    """A part of the name, serial number, address, MAC or model."""
    kind: Kind = "all"
    """Which cameras."""
    sort: SortKey = "name"
    """By what they are sorted."""
    descending: bool = False
    """Whether the order is turned round."""
    page: int = 1
    """The page, from 1 on."""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Read the query of an address; what makes no sense is ignored."""
        page = query.get("page", "")
        return cls(
            text=query.get("text", "").strip()[:_MAX_TEXT],
            kind=next((one for one in KINDS if one == query.get("kind")), "all"),
            sort=next((one for one in SORT_KEYS if one == query.get("sort")), "name"),
            descending=query.get("order") == "desc",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        )

    @property
    def filters(self) -> int:
        """How many filters leave cameras out."""
        return (self.text != "") + (self.kind != "all")

    def with_sort(self, sort: SortKey) -> Self:
        """Return the query for a click on a column: sorted by it, the other way round if it is so already."""
        return replace(self, sort=sort, descending=self.sort == sort and not self.descending, page=1)

    def with_page(self, page: int) -> Self:
        """Return the query for another page."""
        return replace(self, page=page)

    def encode(self) -> str:
        """Return it as the query of an address, without what is usual."""
        values: dict[str, str | int] = {
            "text": self.text,
            "kind": "" if self.kind == "all" else self.kind,
            "sort": "" if self.sort == "name" else self.sort,
            "order": "desc" if self.descending else "",
            "page": self.page if self.page > 1 else "",
        }
        return urlencode({name: value for name, value in values.items() if value != ""})


class CameraPage(NamedTuple):
    """A page of the list."""

    reports: Sequence[CameraReport]
    """The cameras on it."""
    matching: int
    """How many cameras all pages have."""
    number: int
    """Its number, from 1 on."""
    pages: int
    """How many pages there are, 1 at least."""


def list_reports(reports: Iterable[CameraReport], query: CameraQuery) -> CameraPage:
    """Return the page that a query asks for; the last one if it is beyond that."""
    text, select = query.text.casefold(), _SELECTS[query.kind]
    found = [one for one in reports if select(one) and (not text or text in _search_text(one))]
    found.sort(key=lambda report: report.camera.sn)
    found.sort(key=_SORTS[query.sort], reverse=query.descending)
    pages = max(1, -(-len(found) // PAGE_SIZE))
    number = min(query.page, pages)
    return CameraPage(found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE], len(found), number, pages)


def _search_text(report: CameraReport) -> str:
    camera = report.camera
    return "\n".join((camera.name, camera.sn, camera.address, camera.mac, camera.model)).casefold()
