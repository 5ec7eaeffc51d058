"""The up-case table that the exFAT specification recommends: how names are compared.

Cards carry this table and no other. `str.upper` is no substitute: it differs from the table, and between versions of
Python.
"""

import re
import struct

from firmware_tools.exfat.checksum import checksum32

UPCASE_CHECKSUM = 0xE619D30D
"""The checksum of the table, as printed in the specification."""

# One item for each run of characters at the same distance from their capitals: the first character in hex, "*" and the
# number of characters (if more than one), "/2" if every second one, and the distance.
_RUNS = """
61*26-32 E0*23-32 F8*7-32 FF+121 101*24/2-1 133*3/2-1 13A*8/2-1 14B*23/2-1 17A*3/2-1 180+195 183*2/2-1 188-1 18C-1
192-1 195+97 199-1 19A+163 19E+130 1A1*3/2-1 1A8-1 1AD-1 1B0-1 1B4*2/2-1 1B9-1 1BD-1 1BF+56 1C6-2 1C9-2 1CC-2
1CE*8/2-1 1DD-79 1DF*9/2-1 1F3-2 1F5-1 1F9*20/2-1 223*9/2-1 23A+10795 23C-1 23E+10792 242-1 247*5/2-1 253-210
254-206 256*2-205 259-202 25B-203 260-205 263-207 268-209 269-211 26B+10743 26F-211 272-213 275-214 27D+10727
280-218 283-218 288-218 289-69 28A*2-217 28C-71 292-219 37B*3+130 3AC-38 3AD*3-37 3B1*17-32 3C2-31 3C3*9-32 3CC-64
3CD*2-63 3D9*12/2-1 3F2+7 3F8-1 3FB-1 430*32-32 450*16-80 461*17/2-1 48B*27/2-1 4C2*7/2-1 4CF-15 4D1*34/2-1
561*38-48 1D7D+3814 1E01*75/2-1 1EA1*45/2-1 1F00*8+8 1F10*6+8 1F20*8+8 1F30*8+8 1F40*6+8 1F51*4/2+8 1F60*8+8
1F70*2+74 1F72*4+86 1F76*2+100 1F78*2+128 1F7A*2+112 1F7C*2+126 1F80*8+8 1F90*8+8 1FA0*8+8 1FB0*2+8 1FB3+9 1FCC-9
1FD0*2+8 1FE0*2+8 1FE5+7 1FFC-9 214E-28 2170*16-16 2184-1 24D0*26-26 2C30*47-48 2C61-1 2C68*3/2-1 2C76-1 2C81*50/2-1
2D00*38-7264 FF41*26-32
"""
_RUN = re.compile(r"([0-9A-F]+)(?:\*(\d+))?(?:/(2))?([+-]\d+)")
_CHARACTER_COUNT = 0x10000
_UNCHANGED_RUN_MARK = 0xFFFF
_MIN_COMPRESSED_RUN = 512
"""Shorter runs of unchanged characters are written out in the specification's table."""


def _parse_runs() -> dict[int, int]:
    capitals: dict[int, int] = {}
    for item in _RUNS.split():
        match = _RUN.fullmatch(item)
        if match is None:
            raise ValueError(f"up-case run {item!r} cannot be read")
        first, count, step, distance = int(match[1], 16), int(match[2] or 1), int(match[3] or 1), int(match[4])
        capitals.update((char, char + distance) for char in range(first, first + count * step, step))
    return capitals


def _build_table() -> bytes:
    table: list[int] = []
    position = 0
    for char in [*sorted(_CAPITALS), _CHARACTER_COUNT]:
        unchanged = char - position
        if unchanged >= _MIN_COMPRESSED_RUN:
            table += (_UNCHANGED_RUN_MARK, unchanged)
        else:
            table += range(position, char)
        if char < _CHARACTER_COUNT:
            table.append(_CAPITALS[char])
        position = char + 1
    return struct.pack(f"<{len(table)}H", *table)


def upcase_name(name: str) -> str:
    """Return a name in capitals, for comparison as exFAT does it."""
    encoded = name.encode("utf-16-le")
    chars = struct.unpack(f"<{len(encoded) // 2}H", encoded)
    return struct.pack(f"<{len(chars)}H", *(_CAPITALS.get(char, char) for char in chars)).decode("utf-16-le")


_CAPITALS = _parse_runs()
UPCASE_TABLE = _build_table()
"""The table as it lies on a card: 5,836 bytes."""
if checksum32(UPCASE_TABLE) != UPCASE_CHECKSUM:
    raise ValueError("the up-case table differs from the specification's")
