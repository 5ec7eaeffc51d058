"""The judge and the power cut themselves: they notice what they are there to notice."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.outbox import disk
from tests.outbox.cloud import Delivery, ObservedCloud, Version, Visit
from tests.outbox.judgement import judge

A1, A2, B1 = Version("a", 1), Version("a", 2), Version("b", 1)


def cloud_that_got(*calls: tuple[float, str, Sequence[Version]]) -> ObservedCloud:
    cloud = ObservedCloud()
    for number, (at, fault, orders) in enumerate(calls):
        cloud.deliveries.append(Delivery(Visit(number, at, fault), at, list(orders)))
    return cloud


def test_what_is_well_passes() -> None:
    cloud = cloud_that_got((1, "", [A1, B1]), (2, "reset_after", [A2]), (3, "", [A2]))
    found = judge(cloud, [A1, A2, B1], [])
    found.check()
    assert found.reasons.total() == 1


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        ([(1, "", [A1])], "lost"),
        ([(1, "", [A1]), (5, "", [A1]), (6, "", [A2, B1])], "without a reason"),
        ([(1, "", [A1, A1]), (6, "", [A2, B1])], "without a reason"),
        ([(1, "", [A2]), (2, "", [A1, B1])], "out of order"),
    ],
)
def test_what_is_not_well_is_said(calls: list[tuple[float, str, Sequence[Version]]], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        judge(cloud_that_got(*calls), [A1, A2, B1], [3.0]).check()


def test_a_death_explains_what_came_just_before_it() -> None:
    judge(cloud_that_got((1, "", [A1]), (5, "", [A1])), [A1], [1.1]).check()


WRITER = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute(f"PRAGMA synchronous = {sys.argv[2]}")
database.execute("CREATE TABLE t (x)")
for number in range(50):
    database.execute("INSERT INTO t VALUES (?)", (number,))
os._exit(0)
"""


@pytest.mark.parametrize(("synchronous", "survive"), [("FULL", True), ("OFF", False)])
def test_a_power_cut_takes_what_was_not_flushed(
    disk_library: Path, tmp_path: Path, synchronous: str, survive: bool
) -> None:
    folder, journal = tmp_path / "folder", tmp_path / "journal"
    folder.mkdir()
    environment = {"LD_PRELOAD": str(disk_library), "DISK_FOLDER": str(folder), "DISK_JOURNAL": str(journal)}
    command = [sys.executable, "-c", WRITER, str(folder / "t.db"), synchronous]
    subprocess.run(command, env=environment, check=True)
    lost = disk.after_power_cut(journal, tmp_path / "before", folder, random.Random(2), survival=0)
    assert (lost == 0) == survive
    database = sqlite3.connect(folder / "t.db")
    try:
        rows = [row[0] for row in database.execute("SELECT x FROM t")]
    except sqlite3.Error:
        rows = []
    finally:
        database.close()
    assert (rows == list(range(50))) == survive
