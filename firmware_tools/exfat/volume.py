"""Reading an exFAT volume, whoever made it: folders, files, and the clusters that they use."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.boot import BOOT_SIZE, BootRegion
from firmware_tools.exfat.entries import (
    BENIGN,
    BITMAP,
    ENTRY,
    FILE,
    IN_USE,
    LABEL,
    SECONDARY,
    UPCASE,
    Allocation,
    Item,
    parse_label,
)
from firmware_tools.exfat.geometry import SECTOR, Geometry
from firmware_tools.exfat.partition import find_partition
from firmware_tools.medium import Medium
from firmware_tools.size import MIB

_LAST_IN_CHAIN = 0xFFFFFFFF
_LARGEST_FOLDER = 16 * MIB
_TABLE_WINDOW = 64 << 10


@dataclass(frozen=True, slots=True)
class Run:
    """Clusters that lie one after another."""

    cluster: int
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder, with its path and the places of its entries (bytes from the disk's start)."""

    path: str
    item: Item
    entries_at: tuple[int, ...]


@dataclass(slots=True)
class Root:
    """What only the root folder tells."""

    labels: list[str] = field(default_factory=list)
    bitmaps: list[Allocation] = field(default_factory=list)
    upcases: list[Allocation] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)


class Volume:
    """The exFAT volume of a card. Making one checks partition table and boot region (`CardFaulty`)."""

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.partition = find_partition(medium.read(0, SECTOR), medium.size // SECTOR)
        main = medium.read(self.partition.start * SECTOR, BOOT_SIZE)
        self.boot = BootRegion.parse(main, *self.partition, "boot region")
        self._table_window = (0, b"")

    @property
    def geometry(self) -> Geometry:
        """Where the parts of the volume lie."""
        return self.boot.geometry

    def table_entry(self, cluster: int) -> int:
        """Return what the allocation table says of a cluster."""
        position = cluster * 4
        start, window = self._table_window
        if not start <= position < start + len(window):
            start = position // _TABLE_WINDOW * _TABLE_WINDOW
            window = self.medium.read(
                self.geometry.fat_offset + start, min(_TABLE_WINDOW, self.geometry.fat_size - start)
            )
            self._table_window = (start, window)
        value: int = struct.unpack_from("<I", window, position - start)[0]
        return value

    def runs(self, name: str, first: int, length: int | None, *, contiguous: bool) -> list[Run]:
        """Return the clusters of a file or folder, whose length only the root folder does not know."""
        shape = self.geometry
        if length == 0 and first == 0:
            return []
        needed = None if length is None else shape.clusters_for(length)
        if not shape.holds(first):
            raise CardFaulty(f"{name}: it begins outside the volume")
        if contiguous and needed:
            if not shape.holds(first + needed - 1):
                raise CardFaulty(f"{name}: it reaches past the end of the volume")
            return [Run(first, needed)]
        runs: list[Run] = []
        cluster, count = first, 0
        while cluster != _LAST_IN_CHAIN:
            count += 1
            if not shape.holds(cluster) or count > shape.clusters:
                raise CardFaulty(f"{name}: its chain in the allocation table is broken")
            if runs and cluster == runs[-1].cluster + runs[-1].count:
                runs[-1] = Run(runs[-1].cluster, runs[-1].count + 1)
            else:
                runs.append(Run(cluster, 1))
            cluster = self.table_entry(cluster)
        if needed is not None and count != needed:
            raise CardFaulty(f"{name}: its chain in the allocation table has {count} clusters instead of {needed}")
        return runs

    def runs_of(self, found: Found) -> list[Run]:
        """Return the clusters of a file or folder that was found."""
        item = found.item
        return self.runs(found.path, item.first_cluster, item.length, contiguous=item.contiguous)

    def content(self, runs: list[Run], length: int, step: int) -> Iterator[bytes]:
        """Yield `length` bytes from these clusters, `step` at a time."""
        for run in runs:
            offset, left = self.geometry.cluster_offset(run.cluster), run.count * self.geometry.cluster_size
            while left and length:
                part = self.medium.read(offset, min(step, left, length))
                yield part
                offset, left, length = offset + len(part), left - len(part), length - len(part)

    def root(self) -> Root:
        """Read the root folder."""
        root = Root()
        runs = self.runs("root folder", self.boot.root_cluster, None, contiguous=False)
        for kind, entries, places in self._entry_sets(runs, "root folder"):
            if kind == LABEL:
                root.labels.append(parse_label(entries))
            elif kind == BITMAP:
                root.bitmaps.append(Allocation.parse(entries))
            elif kind == UPCASE:
                root.upcases.append(Allocation.parse(entries))
            else:
                self._add_item(root.found, kind, entries, places, "")
        return root

    def folder(self, folder: Found) -> list[Found]:
        """Read another folder."""
        found: list[Found] = []
        for kind, entries, places in self._entry_sets(self.runs_of(folder), folder.path):
            self._add_item(found, kind, entries, places, f"{folder.path}/")
        return found

    def _add_item(self, found: list[Found], kind: int, entries: bytes, places: tuple[int, ...], parent: str) -> None:
        where = parent.rstrip("/") or "root folder"
        if kind == FILE:
            item = Item.parse(entries, where)
            found.append(Found(parent + item.name, item, places))
        elif not kind & BENIGN:
            raise CardFaulty(f"{where}: it holds an entry of the unknown type 0x{kind:02X}")

    def _entry_sets(self, runs: list[Run], name: str) -> Iterator[tuple[int, bytes, tuple[int, ...]]]:
        """Yield type, bytes and places of each entry in use, together with the secondary ones that belong to it."""
        entries = self._entries(runs, name)
        for offset, entry in entries:
            if entry[0] == 0:
                break
            if not entry[0] & IN_USE:
                continue
            if entry[0] & SECONDARY:
                raise CardFaulty(f"{name}: a part of an entry stands alone")
            whole, places = [entry], [offset]
            if entry[0] not in (LABEL, BITMAP, UPCASE):
                for _ in range(entry[1]):
                    offset, following = next(entries, (0, b"\0"))
                    if following[0] & (IN_USE | SECONDARY) != IN_USE | SECONDARY:
                        raise CardFaulty(f"{name}: an entry lacks some of its parts")
                    whole.append(following)
                    places.append(offset)
            yield entry[0], b"".join(whole), tuple(places)
        for _, entry in entries:
            if entry[0] & IN_USE:
                raise CardFaulty(f"{name}: there are entries after its end")

    def _entries(self, runs: list[Run], name: str) -> Iterator[tuple[int, bytes]]:
        size = self.geometry.cluster_size
        if sum(run.count for run in runs) * size > _LARGEST_FOLDER:
            raise CardFaulty(f"{name}: it is larger than the folders of a firmware card can be")
        for run in runs:
            for cluster in range(run.cluster, run.cluster + run.count):
                offset = self.geometry.cluster_offset(cluster)
                data = self.medium.read(offset, size)
                for start in range(0, size, ENTRY):
                    yield offset + start, data[start : start + ENTRY]
