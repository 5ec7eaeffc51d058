"""The memory of the simulated cloud: shops with their devices, faces, products and orders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import FilePart
from gateway.simulator.faults import FaultInjection
from gateway.simulator.validation import CallRefused

MAX_GROUPS: Final = 10
MAX_FACES: Final = 30000
"""Of all groups of a shop together (NOTES: Face library limits)."""
CUSTOM_FIELDS: Final = range(1, 6)
"""The numbers of a face's custom fields."""
_SHOP_NOT_FOUND: Final = (5041, 5013)

_Row = TypeVar("_Row")


@dataclass(slots=True)
class BoundCamera:
    """A camera that is bound to a shop."""

    ipc_id: str
    """The camera's id at the cloud."""
    sn: str
    """The serial number."""
    name: str
    """The name that a person gave it at the cloud."""
    model: str
    """The model."""
    software_version: str = "1.2.6"
    """The version of the firmware."""


@dataclass(slots=True)
class FaceGroup:
    """A face group."""

    group_id: str
    """The group's id."""
    type: int
    """1 new customers, 2 repeat customers, 3 shop assistants, 5 custom."""
    name: str
    """The name."""
    capacity: int = 1000
    """How many faces it may have."""
    description: str = ""
    """What a person wrote about it."""
    modified: int = 0
    """When it was changed last, in Unix seconds."""
    keys: dict[str, str] = field(default_factory=dict)
    """The names of its custom fields, by parameter."""


@dataclass(slots=True)
class Face:
    """A face in a group."""

    face_id: str
    """The face's id."""
    group_id: str
    """The group that it is in."""
    name: str
    """The person's name."""
    created: int
    """When it was added, in Unix seconds."""
    gender: int = 0
    """The vendor's number; 0 unknown."""
    age_range: int = 0
    """The vendor's number; 0 unknown."""
    values: dict[str, str] = field(default_factory=dict)
    """The values of its custom fields, by parameter."""


@dataclass(slots=True)
class ShelfLabel:
    """An electronic shelf label."""

    esl_id: str
    """The label's id."""
    code: str
    """The printed code."""
    sn: str
    """The serial number."""
    status: int = 2
    """0 not activated, 1 not bound, 2 waiting for data, 3 pushed, 4 failed."""
    product_id: str = ""
    """The product that it shows; empty for none."""
    template_id: str = ""
    """The template by which it shows the product."""
    model: str = "SL121"
    """The model; the documents list SL121 and others, their samples name SL121+."""
    battery: int = 90
    """The charge in percent."""
    rssi: int = -23
    """The strength of the radio signal in dBm."""
    software_version: str = "1.0.1"
    """The version of the firmware."""
    connect_time: int = 0
    """Its last contact in Unix seconds; it has contact whenever it is in reach."""
    ap_id: str = ""
    """The access point that serves it; it gets one of its shop's if it has none."""
    away: bool = False
    """Whether it is out of reach: its picture waits."""
    failures: int = 0
    """How many of the next pictures fail."""
    picture: bytes = field(default=b"", repr=False)
    """The file that was pushed last."""
    picture_hash: str = ""
    """The hash of its pixels, the same as that of a `LabelPicture`."""
    push_count: int = 0
    """How many pictures were pushed to it."""
    shown_picture: bytes = field(default=b"", repr=False)
    """The picture on the shelf; empty if none of those that were pushed is."""
    shown_hash: str = ""
    """The hash of its pixels, the same as that of a `LabelPicture`."""

    def draw_by_template(self) -> None:
        """Show the product by the vendor's template, and so no pushed picture any more."""
        self.shown_picture, self.shown_hash = b"", ""


@dataclass(slots=True)
class LabelAccessPoint:
    """An access point of shelf labels."""

    ap_id: str
    """The access point's id."""
    sn: str
    """The serial number."""
    name: str
    """The name."""
    mac: str = ""
    """The MAC address."""
    online: bool = True
    """Whether it has contact to the cloud; without it, its labels wait."""
    connect_time: int = 0
    """Its last contact in Unix seconds."""
    free_from: float = 0
    """When it had served its last label, in Unix seconds."""


@dataclass(slots=True)
class LabelTemplate:
    """The layout of a shelf label."""

    template_id: str
    """The template's id."""
    name: str
    """The name."""
    colour: int
    """The vendor's number of the colours."""
    screen: int
    """The vendor's number of the screen size."""
    layout: str
    """The layout as it was sent."""


@dataclass(slots=True)
class SimulatedShop:
    """Everything of one shop, each kind by its id."""

    shop_id: str
    """The shop's id."""
    cameras: dict[str, BoundCamera] = field(default_factory=dict)
    """The bound cameras."""
    groups: dict[str, FaceGroup] = field(default_factory=dict)
    """The face groups."""
    faces: dict[str, Face] = field(default_factory=dict)
    """The faces of all groups."""
    labels: dict[str, ShelfLabel] = field(default_factory=dict)
    """The shelf labels."""
    access_points: dict[str, LabelAccessPoint] = field(default_factory=dict)
    """The access points of the labels."""
    waiting_labels: dict[str, float | None] = field(default_factory=dict)
    """The labels whose picture waits: since when, in Unix seconds; None while it is out of reach, or just pushed."""
    templates: dict[str, LabelTemplate] = field(default_factory=dict)
    """The templates of the labels."""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The orders as they were sent."""
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The products as they were sent."""
    product_times: dict[str, int] = field(default_factory=dict)
    """When each product was changed last, in Unix seconds."""
    playbacks: dict[str, str] = field(default_factory=dict)
    """The path of each playback that was started, by client id."""


class CloudState:
    """The cloud's memory. `shops` maps shop_id to the platform's newer key, sunmi_shop_no."""

    def __init__(self, shops: Mapping[str, str]) -> None:
        self.shops = {shop_id: SimulatedShop(shop_id) for shop_id in shops}
        self.hooks: dict[tuple[str, int], str] = {}
        """The callback URL by app_id and event."""
        self.unavailable_events: set[int] = set()
        """Events that nobody can subscribe to; the documents call 4100 currently unavailable, not what that means."""
        self.sunmi_shop_nos = dict(shops)
        """The newer key of each shop, by shop_id."""
        self._by_sunmi_shop_no = {number: self.shops[shop_id] for shop_id, number in shops.items()}
        self.last_id = 129199
        """The highest id that was given."""
        for shop in self.shops.values():
            for group_type, name in ((1, "stranger"), (2, "regular"), (3, "employee")):
                group_id = self.new_id()
                shop.groups[group_id] = FaceGroup(group_id, group_type, name)

        self.unbound_labels: dict[str, ShelfLabel] = {}
        """The labels that are bound to no shop, by id."""
        self.media_url = ""
        """The URL below which streams are."""
        self.streams: dict[str, float] = {}
        """The open streams, by path: how long each is, in seconds."""

    def new_id(self) -> str:
        """Return an id that was never given before."""
        self.last_id += 1
        return str(self.last_id)

    def find_shop(self, fields: Mapping[str, str]) -> SimulatedShop:
        """Return the shop that a call names by either key. Raises `CallRefused`."""
        shop = self.shops.get(fields.get("shop_id", ""))
        shop = shop or self._by_sunmi_shop_no.get(fields.get("sunmi_shop_no", ""))
        if shop is None:
            raise CallRefused(*_SHOP_NOT_FOUND)
        return shop

    def bind_camera(
        self, shop_id: str, *, sn: str, name: str, model: str, software_version: str = "1.2.6"
    ) -> BoundCamera:
        """Bind a camera to a shop."""
        camera = BoundCamera(self.new_id(), sn, name, model, software_version)
        self.shops[shop_id].cameras[camera.ipc_id] = camera
        return camera

    def add_label(
        self, shop_id: str | None = None, *, code: str = "", sn: str = "", model: str = "SL121"
    ) -> ShelfLabel:
        """Add a label to a shop, or to those that are bound to none. Its charge and signal depend on its id."""
        esl_id = self.new_id()
        number = int(esl_id)
        label = ShelfLabel(
            esl_id, code or f"SL{esl_id:0>6}", sn or f"B101194N{esl_id[-5:]:0>5}", 1 if shop_id is None else 2,
            model=model, battery=60 + number * 7 % 41, rssi=-(23 + number * 11 % 60),
        )  # fmt: skip
        labels = self.unbound_labels if shop_id is None else self.shops[shop_id].labels
        labels[esl_id] = label
        return label

    def add_access_point(self, shop_id: str, *, sn: str, name: str = "", mac: str = "") -> LabelAccessPoint:
        """Add an access point to a shop."""
        access_point = LabelAccessPoint(self.new_id(), sn, name or sn, mac)
        self.shops[shop_id].access_points[access_point.ap_id] = access_point
        return access_point


@dataclass(frozen=True, slots=True)
class CloudCall:
    """One call whose parameters were checked."""

    state: CloudState
    """The cloud's memory."""
    endpoint: Endpoint
    """The endpoint that is called."""
    app_id: str
    """Who calls."""
    fields: Mapping[str, str]
    """The parameters, as text."""
    files: Mapping[str, FilePart]
    """The files, by parameter."""
    now: int
    """The cloud's time in Unix seconds."""
    faults: FaultInjection = field(default_factory=FaultInjection)
    """What the cloud does wrong."""

    @property
    def shop(self) -> SimulatedShop:
        """The shop that the call names."""
        return self.state.find_shop(self.fields)

    def read_list(self, name: str) -> list[str]:
        """Return a list parameter, its elements as text."""
        return [str(element) for element in json_text.loads(self.fields[name])]

    def select_page(self, rows: Iterable[_Row]) -> Sequence[_Row]:
        """Return the rows of the page that the call asks for."""
        number, size = int(self.fields.get("page_num") or 1), int(self.fields.get("page_size") or 10)
        return list(rows)[(number - 1) * size : number * size]

    def select_given(self, names: Iterable[str]) -> dict[str, str]:
        """Return those of the named parameters that are given and not empty."""
        return {name: self.fields[name] for name in names if self.fields.get(name)}


ResponseData = Mapping[str, Any]
"""The data of a response."""
CloudHandler = Callable[[CloudCall], ResponseData]


def find_row(rows: Mapping[str, _Row], key: str | None, *codes: int) -> _Row:
    """Return the row with this id. Raises `CallRefused` with the codes."""
    row = rows.get(key or "")
    if row is None:
        raise CallRefused(*codes)
    return row
