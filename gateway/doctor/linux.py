"""What Linux shows of itself in /proc and /sys, as evidence. Elsewhere, and where it is hidden, nothing is found.

`root` is the folder in which `proc` and `sys` are.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware_tools.language import message

_ROOT: Final = Path("/")
_LISTENING: Final = {"tcp": "0A", "udp": "07"}
_COMPLETE: Final = 0x2


def find_port_holder(protocol: str, port: int, root: Path = _ROOT) -> str:
    """Return which program holds a port (`tcp` or `udp`), as far as this user may know."""
    inodes = {
        words[9]
        for words in _table(root / "proc/net" / protocol)
        if len(words) > 9 and words[1].endswith(f":{port:04X}") and words[3] == _LISTENING[protocol]
    }
    if not inodes:
        return ""
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in (root / "proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(one.readlink()) in links for one in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return message("{name} (process {process}) has it", name=name, process=process.name)
    return message("a program of another user has it")


def list_neighbours(interface: str, root: Path = _ROOT) -> list[str]:
    """Return the hosts whose hardware address is known on an interface."""
    return [
        words[0]
        for words in _table(root / "proc/net/arp")
        if len(words) == 6 and words[5] == interface and int(words[2], 16) & _COMPLETE
    ]


def is_wireless(interface: str, root: Path = _ROOT) -> bool:
    """Tell whether an interface is a Wi-Fi one."""
    return (root / "sys/class/net" / interface / "wireless").exists()


def list_swaps(root: Path = _ROOT) -> list[str]:
    """Return what this machine swaps to, but for memory (zram)."""
    return [words[0] for words in _table(root / "proc/swaps") if words and not words[0].startswith("/dev/zram")]


def _table(file: Path, head: int = 1) -> Iterator[list[str]]:
    """Yield the words of each line behind the head."""
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()[head:]:
            yield line.split()
