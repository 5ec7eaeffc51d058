"""What the simulated cloud still knows after a restart: labels, products, orders and faces, but no cameras."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final

import msgspec

from gateway.simulator.cloud_state import CloudState, Face, FaceGroup, LabelAccessPoint, LabelTemplate, ShelfLabel


@dataclass(slots=True)
class ShopMemory:
    """What is kept of a shop: members of `SimulatedShop`."""

    groups: dict[str, FaceGroup]
    faces: dict[str, Face]
    labels: dict[str, ShelfLabel]
    access_points: dict[str, LabelAccessPoint]
    waiting_labels: dict[str, float | None]
    templates: dict[str, LabelTemplate]
    orders: dict[str, dict[str, Any]]
    products: dict[str, dict[str, Any]]
    product_times: dict[str, int]


@dataclass(slots=True)
class CloudMemory:
    """What is kept of the cloud."""

    last_id: int = 0
    """The highest id that it has given."""
    unbound_labels: dict[str, ShelfLabel] = field(default_factory=dict)
    """The labels that are bound to no shop, by id."""
    shops: dict[str, ShopMemory] = field(default_factory=dict)
    """The shops by id, also those that are not simulated now."""

    @classmethod
    def parse(cls, content: bytes) -> "CloudMemory":
        """Read what `write` has written. Raises `ValueError` for anything else."""
        return _DECODER.decode(content)

    def write(self) -> bytes:
        """Return it as JSON."""
        return _ENCODER.encode(self)

    def note(self, state: CloudState) -> None:
        """Remember what the cloud knows now."""
        self.last_id, self.unbound_labels = state.last_id, state.unbound_labels
        for shop_id, shop in state.shops.items():
            self.shops[shop_id] = ShopMemory(*(getattr(shop, name) for name in _KEPT))

    def restore(self, state: CloudState) -> None:
        """Have the cloud know again what was remembered of its shops."""
        state.last_id = max(state.last_id, self.last_id)
        state.unbound_labels = self.unbound_labels
        for shop_id, shop in state.shops.items():
            if (known := self.shops.get(shop_id)) is not None:
                for name in _KEPT:
                    setattr(shop, name, getattr(known, name))


_KEPT: Final = [one.name for one in fields(ShopMemory)]
_DECODER: Final = msgspec.json.Decoder(CloudMemory, float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
