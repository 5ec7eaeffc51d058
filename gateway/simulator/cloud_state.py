"""What the simulated cloud remembers: shops with their devices, faces, products and orders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import FilePart
from gateway.simulator.validation import CallRefused

NO_SHOP: Final = (5041, 5013)
MAX_GROUPS: Final = 10
MAX_FACES: Final = 30000
"""Of all groups of a shop together (NOTES: Face library limits)."""
CUSTOM_FIELDS: Final = range(1, 6)

_Row = TypeVar("_Row")


@dataclass(slots=True)
class BoundCamera:
    """A camera that is bound to a shop."""

    ipc_id: str
    sn: str
    name: str
    model: str
    software_version: str = "1.2.6"


@dataclass(slots=True)
class FaceGroup:
    """A face group; `type` is 1 new, 2 repeat customers, 3 shop assistants, 5 custom."""

    group_id: str
    type: int
    name: str
    capacity: int = 1000
    description: str = ""
    modified: int = 0
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Face:
    """A face in a group."""

    face_id: str
    group_id: str
    name: str
    created: int
    gender: int = 0
    age_range: int = 0
    values: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ShelfLabel:
    """An electronic shelf label; `status` is 2 waiting for data, 3 pushed. It may show a product with a template."""

    esl_id: str
    code: str
    sn: str
    status: int = 2
    product_id: str = ""
    template_id: str = ""


@dataclass(slots=True)
class LabelAccessPoint:
    """An access point of labels."""

    ap_id: str
    sn: str
    name: str
    mac: str = ""


@dataclass(slots=True)
class LabelTemplate:
    """How a label looks."""

    template_id: str
    name: str
    colour: int
    screen: int
    text: str


@dataclass(slots=True)
class SimulatedShop:
    """Everything of one shop, each kind by its identifier; orders and products as they were sent."""

    shop_id: str
    cameras: dict[str, BoundCamera] = field(default_factory=dict)
    groups: dict[str, FaceGroup] = field(default_factory=dict)
    faces: dict[str, Face] = field(default_factory=dict)
    move_strategy: tuple[str, int, int] | None = None
    labels: dict[str, ShelfLabel] = field(default_factory=dict)
    points: dict[str, LabelAccessPoint] = field(default_factory=dict)
    templates: dict[str, LabelTemplate] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    product_times: dict[str, int] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)


class CloudState:
    """The cloud's memory. `shops` maps shop_id to the platform's newer key, sunmi_shop_no."""

    def __init__(self, shops: Mapping[str, str]) -> None:
        self.shops = {shop_id: SimulatedShop(shop_id) for shop_id in shops}
        self.hooks: dict[tuple[str, int], str] = {}
        """The callback address by app_id and event."""
        self.unavailable_events: set[int] = set()
        """Events that nobody can subscribe to; the documents call 4100 currently unavailable, not what that means."""
        self.numbers = dict(shops)
        self._by_number = {number: self.shops[shop_id] for shop_id, number in shops.items()}
        self._last_id = 129199
        for shop in self.shops.values():
            for kind, name in ((1, "stranger"), (2, "regular"), (3, "employee")):
                group_id = self.new_id()
                shop.groups[group_id] = FaceGroup(group_id, kind, name)

    def new_id(self) -> str:
        """Return an identifier that was never given before."""
        self._last_id += 1
        return str(self._last_id)

    def shop(self, fields: Mapping[str, str]) -> SimulatedShop:
        """Return the shop that a call names by either key. Raises `CallRefused`."""
        shop = self.shops.get(fields.get("shop_id", "")) or self._by_number.get(fields.get("sunmi_shop_no", ""))
        if shop is None:
            raise CallRefused(*NO_SHOP)
        return shop

    def bind_camera(
        self, shop_id: str, *, sn: str, name: str, model: str, software_version: str = "1.2.6"
    ) -> BoundCamera:
        """Make a camera known to a shop."""
        ipc = BoundCamera(self.new_id(), sn, name, model, software_version)
        self.shops[shop_id].cameras[ipc.ipc_id] = ipc
        return ipc


@dataclass(frozen=True, slots=True)
class CloudCall:
    """One checked call: who calls, the parameters as text, the files, and the cloud's time in Unix seconds."""

    state: CloudState
    endpoint: Endpoint
    app_id: str
    fields: Mapping[str, str]
    files: Mapping[str, FilePart]
    now: int

    @property
    def shop(self) -> SimulatedShop:
        """The shop that the call names."""
        return self.state.shop(self.fields)

    def texts(self, name: str) -> list[str]:
        """Return a list parameter, its elements as text."""
        return [str(element) for element in json_text.loads(self.fields[name])]

    def page(self, rows: Iterable[_Row]) -> Sequence[_Row]:
        """Return the rows of the page that the call asks for."""
        number, size = int(self.fields.get("page_num") or 1), int(self.fields.get("page_size") or 10)
        return list(rows)[(number - 1) * size : number * size]

    def changes(self, names: Iterable[str]) -> dict[str, str]:
        """Return those of the named parameters that are given and not empty."""
        return {name: self.fields[name] for name in names if self.fields.get(name)}


Data = Mapping[str, Any]
CloudHandler = Callable[[CloudCall], Data]


def found(rows: Mapping[str, _Row], key: str | None, *codes: int) -> _Row:
    """Return the row with this identifier. Raises `CallRefused` with the codes."""
    row = rows.get(key or "")
    if row is None:
        raise CallRefused(*codes)
    return row
