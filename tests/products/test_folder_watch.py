"""A folder that is watched: each list in it is taken once, when it is whole, and a bad one never stops the next."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SettingsError, StateError
from gateway.events.event import Event
from gateway.products import folder_watch
from gateway.products.folder_watch import FolderUnreadable, FolderWatch
from gateway.settings import parse_settings
from tests.products.test_mirror import Shop, product, shop  # noqa: F401  fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

HEADINGS = "id,name,price\n"
LIST = f"{HEADINGS}0001,Cola,3.20\n0002,Tea,2.90\n"


class Folder:
    """A folder, and what a watch has made of its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken: list[str] = []
        self.refused: dict[str, str] = {}
        self.failure: Exception | None = None
        self.watch = FolderWatch(path, take=self._take, refuse=self._refuse)
        self._time_ns = 10**18

    async def _take(self, file: str, content: bytes) -> None:
        if self.failure and content.startswith(b"fail"):
            raise self.failure
        self.taken.append(f"{Path(file).relative_to(self.path)}: {content.decode()}")

    def _refuse(self, file: str, reason: str) -> None:
        self.refused[Path(file).name] = str(reason)

    def write(self, name: str, content: str) -> Path:
        """Write a file that is newer than those before."""
        file = self.path / name
        file.write_text(content, encoding="utf-8")
        self._time_ns += 10**9
        os.utime(file, ns=(self._time_ns, self._time_ns))
        return file

    async def look(self) -> list[str]:
        """Look once, and return what was taken in it."""
        self.taken.clear()
        await self.watch.look()
        return [*self.taken]


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    path = tmp_path / "lists"
    path.mkdir()
    folder = Folder(path)
    yield folder
    folder.watch.close()


async def test_a_file_is_taken_once_it_stays_as_it_is(folder: Folder) -> None:
    file = folder.write("list.csv", "half")
    assert await folder.look() == []
    folder.write("list.csv", "whole")
    assert await folder.look() == [], "it was written since the last look"
    assert await folder.look() == ["list.csv: whole"]
    assert await folder.look() == []
    folder.write("list.csv", "again")
    assert [await folder.look(), await folder.look()] == [[], ["list.csv: again"]]
    file.unlink()
    assert await folder.look() == []


async def test_only_lists_are_taken_the_oldest_first(folder: Folder) -> None:
    for name in ("b.TSV", "a.csv", ".hidden.csv", "~$open.xlsx", "notes.pdf", "c.json", "d.txt", "e.xlsx"):
        folder.write(name, name)
    folder.write("empty.csv", "")
    (folder.path / "more.csv").mkdir()
    (folder.path / "link.csv").symlink_to(folder.path / "notes.pdf")
    await folder.look()
    assert await folder.look() == [f"{name}: {name}" for name in ("b.TSV", "a.csv", "c.json", "d.txt", "e.xlsx")]
    assert {entry.name for entry in folder.path.iterdir()} >= {"a.csv", "empty.csv", ".hidden.csv"}, "none was moved"


async def test_a_bad_file_does_not_stop_the_next(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_watch, "MAX_LIST_BYTES", 10)
    folder.write("large.csv", "12345678901")
    folder.failure = RuntimeError("a mistake of ours")
    folder.write("odd.csv", "fail")
    folder.write("good.csv", "good")
    await folder.look()
    assert await folder.look() == ["good.csv: good"]
    assert "larger than" in folder.refused["large.csv"]
    assert "its log says why" in folder.refused["odd.csv"]
    assert await folder.look() == []


async def test_a_file_that_cannot_be_taken_now_is_taken_later(folder: Folder) -> None:
    folder.write("list.csv", "fail")
    folder.failure = StateError("the disk is full")
    await folder.look()
    with pytest.raises(StateError):
        await folder.look()
    folder.failure = None
    assert await folder.look() == ["list.csv: fail"]


async def test_a_folder_that_is_not_there_is_named(folder: Folder) -> None:
    folder.path.rmdir()
    with pytest.raises(FolderUnreadable, match="lists cannot be read"):
        await folder.look()
    folder.path.mkdir()
    assert await folder.look() == []


def test_the_folder_of_the_settings_is_a_whole_path(tmp_path: Path) -> None:
    assert parse_settings(f"[products]\nwatch = '{tmp_path}'", "test").products.watch == str(tmp_path)
    with pytest.raises(SettingsError, match=r"products\.watch: must be the whole path of a folder"):
        parse_settings('[products]\nwatch = "lists"', "test")


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def test_a_gateway_takes_what_is_put_into_a_folder_and_nothing_twice(
    shop: Shop,  # noqa: F811
    folder: Folder,
) -> None:
    events: list[Event] = []
    shop.gateway.event_log.subscribe(events.extend)

    def data(name: str) -> list[Any]:
        return [json.loads(event.data) for event in events if event.type == f"products.{name}"]

    folder.write("bad.csv", "no list\n")
    folder.write("list.csv", LIST)
    shop.gateway.product_parts.watch(folder.path, interval_s=0.01)
    await until(lambda: len(shop.products) == 2 and data("list_taken") and data("list_refused"))
    [refused] = data("list_refused")
    assert (Path(refused["file"]).name, refused["list_source"]) == ("bad.csv", "lists")
    assert refused["reason"]
    assert data("list_taken")[0]["list_source"] == "lists"

    folder.write("list.csv", f"{HEADINGS}0001,Cola,0.32\n")
    await until(lambda: len(data("list_refused")) == 2)
    assert "would delete products: 1 of 2" in data("list_refused")[1]["reason"]

    await shop.close()
    await shop.open()
    await shop.take(product(1), product(2))
    events.clear()
    shop.gateway.event_log.subscribe(events.extend)
    folder.write("new.csv", f"{HEADINGS}0001,Cola,3.30\n0002,Tea,3.30\n")
    shop.gateway.product_parts.watch(folder.path, interval_s=0.01)
    await until(lambda: [one for one in data("list_taken") if one["list_source"] == "lists"])
    assert [one["updated"] for one in data("list_taken") if one["list_source"] == "lists"] == [2]
    assert data("list_refused") == []
