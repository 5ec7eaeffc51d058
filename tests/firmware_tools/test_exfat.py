"""The structures of exFAT: up-case table, geometry, timestamps."""

from hypothesis import example, given
from hypothesis import strategies as st

from firmware_tools.exfat.entries import ExfatTimestamp
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.exfat.upcase import UPCASE_TABLE, upcase_name
from firmware_tools.size import GIB, MAX_CARD_SIZE, MIB, MIN_CARD_SIZE


def test_the_upcase_table_is_that_of_the_specification() -> None:
    assert len(UPCASE_TABLE) == 5836
    assert upcase_name("ipc-up.bin ÿß\u01c6\u24d0") == "IPC-UP.BIN \u0178ß\u01c4\u24b6"


@given(st.integers(MIN_CARD_SIZE, MAX_CARD_SIZE))
@example(MIN_CARD_SIZE)
@example(MAX_CARD_SIZE)
@example(256 * MIB)
@example(256 * MIB + 512)
@example(32 * GIB)
@example(32 * GIB + 512)
def test_the_geometry_is_aligned_and_uses_the_whole_card(size: int) -> None:
    geometry = Geometry.for_card(size // 512 * 512)
    alignment = 16 * MIB if size > 32 * GIB + 511 else 4 * MIB
    assert geometry.partition_offset == alignment
    assert geometry.cluster_offset(2) % alignment == 0
    assert geometry.fat_size >= (geometry.cluster_count + 2) * 4
    assert geometry.fat_offset + geometry.fat_size <= geometry.cluster_offset(2)
    end = geometry.cluster_offset(2 + geometry.cluster_count)
    assert end <= size < end + geometry.cluster_size + 512
    assert geometry.partition_start + geometry.volume_sectors == size // 512
    assert geometry.partition_start + geometry.volume_sectors <= 1 << 32


@given(st.floats(-1e12, 1e12))
@example(0)
@example(4_354_819_198)
@example(4_354_819_199)
def test_every_moment_has_a_valid_timestamp(epoch_s: float) -> None:
    timestamp = ExfatTimestamp.from_epoch(epoch_s)
    day, month = timestamp.date_time >> 16 & 31, timestamp.date_time >> 21 & 15
    assert 1 <= day <= 31
    assert 1 <= month <= 12
    assert 0 <= timestamp.hundredths < 200
