"""Labels of a restored gateway: its templates are back, and no picture goes to the shelf before a person says so."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.backup.create import create_backup
from gateway.backup.restore import restore_backup
from gateway.errors import StateError
from gateway.labels.label import StoredLabel
from gateway.settings import Settings, load_settings
from gateway.simulator.store import SimulatedStore
from gateway.storage.state_directory import LABEL_TEMPLATES_FOLDER

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

LABEL = "SKDI39DN"
TEMPLATE = (
    b'[boxes.name]\nkind = "text"\nfield = "name"\nx = 0\ny = 0\nwidth = "100%"\nheight = "100%"\nfont_size = 20\n'
)


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture
def settings_file(store: SimulatedStore, tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    font = f'\n[labels]\nfont = "{tmp_path}/shelf.ttf"\n'
    state = f'\n[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(store.settings_toml(tmp_path) + font + state, encoding="utf-8")
    return file


@pytest.fixture
def settings(settings_file: Path, tmp_path: Path) -> Settings:
    (tmp_path / "shelf.ttf").write_bytes(bytes(2 * 1024 * 1024))  # larger than any other file
    return load_settings(settings_file)


async def start(settings: Settings) -> Gateway:
    gateway = await Gateway.open(
        settings.model_copy(update={"labels": settings.labels.model_copy(update={"font": ""})})
    )
    gateway.outbox_worker.start()
    gateway.products.start()
    gateway.labels.confirmation.first_delay_s = 0.05
    gateway.labels.start()
    return gateway


async def take(gateway: Gateway, price: str) -> None:
    product: dict[str, Any] = {"id": "1", "name": "Cola", "price": Decimal(price)}
    await gateway.products.take([product], "complete", source="till", confirmed=True)


async def wait_for(gateway: Gateway, state: str) -> StoredLabel:
    while (label := await gateway.labels.updater.get(LABEL)).state != state or label.is_stale:
        await asyncio.sleep(0.02)
    return label


async def test_templates_and_font_are_back_and_old_pictures_are_not_pushed(
    store: SimulatedStore, settings: Settings, settings_file: Path, tmp_path: Path
) -> None:
    gateway = await start(settings)
    for name in ("新-one", "-two"):
        gateway.labels.templates.save(name, TEMPLATE)
    await take(gateway, "3.20")
    await gateway.labels.updater.show_product(LABEL, product_id="1", template="price", model="SL121")
    old = await wait_for(gateway, "shown")
    steps = {step: count.value for step, count in gateway.metrics.label_pictures.items()}
    assert steps == {"drawn": 1, "pushed": 1, "shown": 1}
    made = create_backup(settings, settings_file, tmp_path / "backup.tar.gz")
    templates = {f"state/{LABEL_TEMPLATES_FOLDER}/{name}.toml" for name in ("新-one", "-two")}
    assert {"files/labels.font", *templates} <= set(made["files"])
    await take(gateway, "2.90")
    new = await wait_for(gateway, "shown")
    assert new.shown_hash != old.shown_hash
    await gateway.close()
    (tmp_path / "state").rename(tmp_path / "dead")
    (tmp_path / "shelf.ttf").unlink()

    done = await restore_backup(tmp_path / "backup.tar.gz", settings_file, replace=False)
    assert (done["held"], done["labels"], done["left_out"]) == (0, 1, {})
    assert (tmp_path / "shelf.ttf").stat().st_size == 2 * 1024 * 1024
    gateway = await start(settings)
    try:
        assert gateway.labels.templates.read("新-one") == gateway.labels.templates.read("-two") == TEMPLATE
        pushes = store.cloud.request_paths.count("device/esl/pushImage")
        label = await wait_for(gateway, "sent")
        assert (label.pixel_hash, label.shown_hash) == (old.pixel_hash, ""), "nobody knows what it shows"
        assert gateway.outbox.held
        await take(gateway, "2.90")
        while (await wait_for(gateway, "sent")).pixel_hash != new.pixel_hash:
            await asyncio.sleep(0.02)
        await gateway.outbox.release_hold()
        label = await wait_for(gateway, "shown")
        assert label.shown_hash == new.shown_hash
        assert store.cloud.request_paths.count("device/esl/pushImage") == pushes + 1, "the old price never went out"
    finally:
        await gateway.close()


async def test_a_font_that_is_too_large_for_a_backup_is_named(
    settings: Settings, settings_file: Path, tmp_path: Path
) -> None:
    await (await Gateway.open(settings)).close()
    with (tmp_path / "shelf.ttf").open("r+b") as font:
        font.truncate(33 * 1024 * 1024)
    with pytest.raises(StateError, match=r"shelf\.ttf has 34603008 bytes; a backup takes files of at most 33554432"):
        create_backup(settings, settings_file, tmp_path / "backup.tar.gz")


async def test_files_that_are_no_templates_and_a_font_that_is_gone_stay_out(
    settings: Settings, settings_file: Path, tmp_path: Path
) -> None:
    await (await Gateway.open(settings)).close()
    (tmp_path / "shelf.ttf").unlink()
    folder = tmp_path / "state" / LABEL_TEMPLATES_FOLDER
    folder.mkdir()
    for name in (".hidden.toml", "notes.txt"):
        (folder / name).write_text("x")
    (folder / "huge.toml").write_bytes(bytes(65537))
    (folder / "A price (1).toml").write_bytes(TEMPLATE)
    made = create_backup(settings, settings_file, tmp_path / "backup.tar.gz")
    assert "files/labels.font" not in made["files"]
    assert [one for one in made["files"] if LABEL_TEMPLATES_FOLDER in one] == [
        f"state/{LABEL_TEMPLATES_FOLDER}/A price (1).toml"
    ]
