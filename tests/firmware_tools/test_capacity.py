"""Counterfeit cards are detected, and honest ones are not."""

import pytest

from firmware_tools.errors import CardFault
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.capacity import check_capacity
from firmware_tools.size import MIB


class SimulatedCard:
    """A card that may claim more than it has, in one of the two ways in which counterfeit cards behave."""

    name = "simulated card"

    def __init__(self, real_size: int, claimed_size: int, *, wraps: bool = False) -> None:
        self.size = claimed_size
        self._real_size = real_size
        self._wraps = wraps
        self._sectors: dict[int, bytes] = {}

    def _find_sector(self, sector: int) -> int | None:
        if sector * 512 < self._real_size:
            return sector
        return sector % (self._real_size // 512) if self._wraps else None

    def read(self, offset: int, length: int) -> bytes:
        sectors = (self._find_sector(offset // 512 + index) for index in range(length // 512))
        return b"".join(bytes(512) if sector is None else self._sectors.get(sector, bytes(512)) for sector in sectors)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        for index in range(len(data) // 512):
            sector = self._find_sector(offset // 512 + index)
            if sector is not None:
                self._sectors[sector] = bytes(data[index * 512 : (index + 1) * 512])

    def write_zeros(self, offset: int, length: int) -> None:
        self.write(offset, bytes(length))

    def sync(self) -> None: ...

    def drop_cache(self) -> None: ...


@pytest.mark.parametrize("wraps", [False, True], ids=["loses", "wraps"])
@pytest.mark.parametrize("real_size", [2 * 10**9, 7_948_206_080, 8 << 30, 31_914_983_424])
def test_counterfeit_cards_are_detected(real_size: int, wraps: bool) -> None:
    with pytest.raises(CardFault, match="fake or broken"):
        check_capacity(SimulatedCard(real_size, 64_000_000_000, wraps=wraps), NullProgress())


@pytest.mark.parametrize("size", [32 * MIB, 100 * MIB + 512, 64_000_000_000])
def test_honest_cards_pass(size: int) -> None:
    check_capacity(SimulatedCard(size, size), NullProgress())
