"""Batches: the list of cards, runs that resume, and reports."""

import errno
import hashlib
import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from html.parser import HTMLParser
from pathlib import Path

import pytest

from firmware_tools import command_language
from firmware_tools.batch.card_list import find_shared_labels, read_card_list
from firmware_tools.batch.known_cameras import KnownCamera, read_known_cameras
from firmware_tools.batch.report import BatchReport, CardState
from firmware_tools.batch.run import make_cards, make_images
from firmware_tools.block_device import open_block_device
from firmware_tools.card import CardSpec
from firmware_tools.card_writer import WrittenCard
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import CardError, CardFault, InvalidInput
from firmware_tools.firmware import Firmware
from firmware_tools.language import Language, describe_error
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.verification import verify_card

SIZE = 32 << 20
READER = Drive("sda", "/dev/sda", SIZE, "usb", "Reader", "77", (), None, ())
QUIET = Console(as_json=True, may_ask=False)


@pytest.fixture
def write_list(tmp_path: Path, firmware_file: Path) -> Callable[[str], Path]:
    """Write a list of cards, in which FW stands for the name of the firmware."""

    def write(text: str) -> Path:
        path = tmp_path / "cards.csv"
        path.write_text(text.replace("FW", firmware_file.name))
        return path

    return write


THREE = "mac,model,firmware,version\n0c25760a1b2c,FM010,FW,1.2.0-uat\n0C:25:76:0A:1B:2D,SS,FW,\n\nff25760a1b2d,FS,FW,\n"


def test_a_card_list_is_read(write_list: Callable[[str], Path], firmware_sha256: str) -> None:
    cards = read_card_list(write_list(THREE), NullProgress()).cards
    assert [(card.line, str(card.spec.mac), card.spec.model) for card in cards] == [
        (2, "0C:25:76:0A:1B:2C", "FM010"),
        (3, "0C:25:76:0A:1B:2D", "FM010"),
        (5, "FF:25:76:0A:1B:2D", "FM020"),
    ]
    assert {card.sha256.hex() for card in cards} == {firmware_sha256}
    assert (cards[0].spec.version, cards[0].spec.channel) == ("1.2.0-uat", "uat")
    assert find_shared_labels(cards) == [
        "0C:25:76:0A:1B:2D and FF:25:76:0A:1B:2D have the same label SUNMI-1B2D: keep their cards apart"
    ]


KNOWN = {
    "cameras": [
        {"sn": "FM1", "mac": "0c:25:76:0a:1b:2c", "model": "FM020"},
        {"sn": "FM2", "mac": None, "model": "FM010"},
        {"sn": "FM3", "mac": "0c:25:76:0a:1b:2e", "model": None},
    ]
}


@pytest.fixture
def known(tmp_path: Path) -> dict[str, KnownCamera]:
    file = tmp_path / "cameras.json"
    file.write_text(json.dumps(KNOWN))
    return read_known_cameras(file)


def test_a_row_with_a_serial_number_alone_is_named_or_found(
    write_list: Callable[[str], Path], firmware_file: Path, known: dict[str, KnownCamera]
) -> None:
    defaults = {"firmware": str(firmware_file.absolute()), "model": "FM010"}
    for plan in ("sn,name\nfm1,Door\nFM3,Till\n", "sn,mac,name\nfm1,,Door\nFM3,,Till\n"):
        file = write_list(plan)
        with pytest.raises(InvalidInput, match="line 2, column mac: the row of the camera fm1 has no MAC address"):
            read_card_list(file, NullProgress(), defaults=defaults)
        cards = read_card_list(file, NullProgress(), defaults=defaults, known=known).cards
        assert [(str(card.spec.mac), card.spec.model, card.name) for card in cards] == [
            ("0C:25:76:0A:1B:2C", "FM020", "Door"),
            ("0C:25:76:0A:1B:2E", "FM010", "Till"),
        ]
    unknown = write_list("sn,mac,model\nFM2,,\nFM9,,\nFM1,0c25760a1b2f,SS\nFM3,,\n")
    with pytest.raises(InvalidInput) as failed:
        read_card_list(unknown, NullProgress(), defaults={"firmware": str(firmware_file.absolute())}, known=known)
    assert "line 2, column mac: the gateway does not know the MAC address of the camera FM2" in str(failed.value)
    assert "line 3, column mac: the gateway does not know the MAC address of the camera FM9" in str(failed.value)
    assert "line 4, column mac: the camera FM1 has the MAC address 0c:25:76:0a:1b:2c" in str(failed.value)
    assert "line 5, column model" in str(failed.value)
    with pytest.raises(InvalidInput, match="column mac is missing; the headings found are 'name'"):
        read_card_list(write_list("name,model\nDoor,SS\n"), NullProgress(), defaults=defaults, known=known)


def test_the_model_of_each_row_comes_before_that_for_all(
    write_list: Callable[[str], Path], firmware_file: Path
) -> None:
    plan = write_list("mac,型号,名称\n0c25760a1b2c,FM020,Door\n0c25760a1b2d,,Till\n")
    defaults = {"firmware": str(firmware_file.absolute()), "model": "FM010"}
    cards = read_card_list(plan, NullProgress(), defaults=defaults).cards
    assert [card.spec.model for card in cards] == ["FM020", "FM010"]


@pytest.mark.parametrize("content", ["", "7", "[]", "{}", '{"cameras": 7}', '{"cameras": [7]}', '{"cameras": [{}]}'])
def test_other_files_than_those_of_the_gateway_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "cameras.json"
    file.write_text(content)
    with pytest.raises(InvalidInput, match="this is not what `sunmi-gateway cameras list --json` writes"):
        read_known_cameras(file)
    with pytest.raises(InvalidInput, match="there is no such list"):
        read_known_cameras(tmp_path / "missing.json")


def test_the_list_of_a_site_plan_is_taken_and_names_its_cameras(
    write_list: Callable[[str], Path], firmware_file: Path, tmp_path: Path
) -> None:
    plan = write_list("序列号,mac,激活码,名称,位置,zoom\n*,,,,,120\nFM1,0c25760a1b2c,,<b>Door</b>,above the till,\n")
    with pytest.raises(InvalidInput, match="firmware"):
        read_card_list(plan, NullProgress())
    defaults = {"firmware": str(firmware_file.absolute()), "model": "FM010"}
    cards = read_card_list(plan, NullProgress(), defaults=defaults).cards
    assert [(card.line, card.spec.model, card.name, card.place) for card in cards] == [
        (3, "FM010", "<b>Door</b>", "above the till")
    ]
    page = BatchReport.resume(tmp_path / "report", cards).render_page()
    assert "&lt;b&gt;Door&lt;/b&gt;" in page
    assert "above the till" in page


def test_lists_written_by_spreadsheets_are_read(write_list: Callable[[str], Path]) -> None:
    path = write_list('\ufeffMAC; Model ;firmware\r\n"0c25760a1b2c";FM010;"FW"\r\n;;\r\n')
    cards = read_card_list(path, NullProgress()).cards
    assert [card.spec.mac.volume_label for card in cards] == ["SUNMI-1B2C"]


def test_headings_may_be_chinese_and_other_columns_are_ignored(
    write_list: Callable[[str], Path], firmware_sha256: str
) -> None:
    path = write_list("")
    text = "门店清单\n\n序号;MAC 地址;型号;固件;升级方式;备注\n1;MAC\uff1a0C-25-76-0A-1B-2C;SS;FW;恢复;门口\n"
    path.write_bytes(text.replace("FW", "FM010-1.2.0-release.bin").encode("gbk"))
    listed = read_card_list(path, NullProgress())
    assert [(card.line, str(card.spec.mac), card.spec.firmware_path.value) for card in listed.cards] == [
        (4, "0C:25:76:0A:1B:2C", "up.bin")
    ]
    assert listed.cards[0].sha256.hex() == firmware_sha256
    assert listed.description == (
        f"{path}: 1 row, GBK, separated by semicolon; ignored: line 1, column '序号', column '备注'"
    )


def test_every_invalid_line_is_named(write_list: Callable[[str], Path]) -> None:
    lines = (
        "mac,model,firmware,mode,sha256\n0c25760a1b2,FM010,FW,,\n0c25760a1b2c,FM030,FW,,\n0c25760a1b2c,SS,none.bin,,\n"
        "0c25760a1b2c,SS,,,\n0c25760a1b2c,SS,FW,maybe,\n0c25760a1b2c,SS,FW,recovery,\n0c:25:76:0a:1b:2c,SS,FW,,\n"
        f"0c25760a1b2e,SS,FW,,{'0' * 64}\n0c25760a1b2f,SS,FW,,,more\n0c25760a1b20,SS,{'a note ' * 50},,\n"
    )
    with pytest.raises(InvalidInput) as refused:
        read_card_list(write_list(lines), NullProgress())
    text = str(refused.value)
    lines_with_faults = [int(line) for line in re.findall(r"line (\d+)[:,] ?(?:column|it|firmware)", text)]
    assert lines_with_faults == [2, 3, 4, 5, 6, 8, 9, 10, 11]
    for fault in ("11 hex digits", "FM010 (SS", "no such file", "no firmware is named", "mode 'maybe'", "in line 7"):
        assert fault in text
    assert "not the one in the list" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the list is empty"),
        ("mac,model\n", "column firmware is missing"),
        ("mac,model,firm\n", "column firmware is missing; the headings found are 'mac', 'model', 'firm'"),
        ("mac,mac,model,firmware\n", "twice"),
        ("mac,model,firmware\n", "empty"),
    ],
)
def test_invalid_lists_are_refused(write_list: Callable[[str], Path], text: str, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        read_card_list(write_list(text), NullProgress())


def test_files_that_are_not_lists_are_refused(tmp_path: Path, firmware_file: Path) -> None:
    for path, fault in ((tmp_path / "none.csv", "no such list"), (firmware_file, "UTF-8"), (tmp_path, "directory")):
        with pytest.raises(CardError, match=fault):
            read_card_list(path, NullProgress())


def test_images_and_their_report(write_list: Callable[[str], Path], tmp_path: Path, firmware_sha256: str) -> None:
    cards, folder = read_card_list(write_list(THREE), NullProgress()).cards, tmp_path / "out"
    report = BatchReport.resume(folder, cards)
    report.notes = find_shared_labels(cards)
    make_images(report, SIZE, QUIET)
    names = ["SUNMI-1B2C-0C25760A1B2C.img", "SUNMI-1B2D-0C25760A1B2D.img", "SUNMI-1B2D-FF25760A1B2D.img"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "report.html", "report.json"]
    for name, card in zip(names, cards, strict=True):
        with open_block_device(folder / name) as device:
            assert verify_card(device, progress=NullProgress(), mac=card.spec.mac).is_good
    document = json.loads((folder / "report.json").read_text())
    assert (document["done"], document["failed"], document["waiting"]) == (3, 0, 0)
    first = document["cards"][0]
    assert (first["mac"], first["label"], first["version"]) == ("0C:25:76:0A:1B:2C", "SUNMI-1B2C", "1.2.0-uat")
    assert (first["sha256"], first["state"], first["place"]) == (firmware_sha256, "done", names[0])


def test_the_report_has_a_page_to_print(
    write_list: Callable[[str], Path], tmp_path: Path, firmware_sha256: str
) -> None:
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    report.entries[0].mark_failed("<b>broken</b> & worn out")
    report.save()
    page = (tmp_path / "out" / "report.html").read_text()

    class LabelParser(HTMLParser):
        titles: list[str] = []  # noqa: RUF012
        is_in_title = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.is_in_title = tag == "h2"
            assert tag not in ("script", "link", "img", "b"), "the page is self-contained, and texts are escaped"

        def handle_data(self, data: str) -> None:
            if self.is_in_title and data.strip():
                self.titles.append(data)
                self.is_in_title = False

    parser = LabelParser()
    parser.feed(page)
    assert parser.titles == ["SUNMI-1B2C", "SUNMI-1B2D", "SUNMI-1B2D"]
    for text in ("0C:25:76:0A:1B:2C", "FM010", "1.2.0-uat", firmware_sha256, "red blinking after about 1 minute"):
        assert text in page
    assert "&lt;b&gt;broken&lt;/b&gt; &amp; worn out" in page


def test_the_page_to_print_and_its_report_are_in_the_language_of_the_command(
    write_list: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    report.notes = find_shared_labels([entry.card for entry in report.entries])
    report.entries[0].mark_failed(describe_error(PermissionError(errno.EACCES, "Permission denied")))
    english = report.render_page()
    monkeypatch.setattr(command_language, "_language", ContextVar("language", default=Language.CHINESE))
    report.save()
    page = report.page_path.read_text()
    assert '<html lang="en">' in english
    assert '<html lang="zh-Hans">' in page
    text = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", page)
    assert not re.search(r"[A-Za-z]{2,} [a-z]{2,}", text), text
    for part in ("固件卡", "已制作并回读 0 / 3 张卡", "型号", "失败 权限不足"):
        assert part in text
    assert json.loads((tmp_path / "out" / "report.json").read_text())["cards"][0]["reason"] == "Permission denied"


def test_a_run_is_resumed(write_list: Callable[[str], Path], tmp_path: Path, firmware_file: Path) -> None:
    folder = tmp_path / "out"
    make_images(BatchReport.resume(folder, read_card_list(write_list(THREE), NullProgress()).cards), SIZE, QUIET)
    images = sorted(folder.glob("*.img"))
    before = [image.stat().st_ino for image in images]
    with images[1].open("r+b") as file:
        file.seek(9 << 20)
        file.write(b"damaged")
    report = BatchReport.resume(folder, read_card_list(write_list(THREE), NullProgress()).cards)
    assert report.count(CardState.DONE) == 3
    make_images(report, SIZE, QUIET)
    after = [image.stat().st_ino for image in images]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True], "the damaged one only"
    firmware_file.write_bytes(b"a newer firmware" + firmware_file.read_bytes())
    report = BatchReport.resume(folder, read_card_list(write_list(THREE), NullProgress()).cards)
    assert report.count(CardState.WAITING) == 3, "another firmware makes other cards"


def test_a_failure_does_not_end_the_run(write_list: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "SUNMI-1B2C-0C25760A1B2C.img").mkdir(parents=True)
    report = BatchReport.resume(folder, read_card_list(write_list(THREE), NullProgress()).cards)
    make_images(report, SIZE, QUIET)
    assert [entry.state for entry in report.entries] == [CardState.FAILED, CardState.DONE, CardState.DONE]
    assert "folder" in json.loads((folder / "report.json").read_text())["cards"][0]["reason"]


def test_a_foreign_report_is_refused(write_list: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for text in ("oops", "{}", '{"cards": [{}]}'):
        (folder / "report.json").write_text(text)
        with pytest.raises(InvalidInput, match="no report of ours"):
            BatchReport.resume(folder, read_card_list(write_list(THREE), NullProgress()).cards)


class SimulatedCardWriter:
    """A card writer with one reader. A card is named by its content: a MAC address, `blank`, or `worn out`."""

    def __init__(self) -> None:
        self.inserted: str | None = None
        self.written: list[str] = []

    def list_drives(self) -> list[Drive]:
        return [READER] if self.inserted is not None else []

    def write(
        self,
        drive: Drive,
        spec: CardSpec,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        check_capacity: bool = False,
    ) -> WrittenCard:
        if self.inserted == "worn out":
            raise CardFault("sda: reading back: worn out")
        self.inserted = str(spec.mac)
        self.written.append(str(spec.mac))
        return WrittenCard(drive, "")

    def identify_card(self, drive: Drive) -> str | None:
        return self.inserted

    def eject(self, drive: Drive) -> bool:
        return True


class SimulatedUser(Console):
    """A user who acts when asked: inserts a card; or `forgets` to, `skips` the card, or `reuses` the inserted one."""

    def __init__(self, card_writer: SimulatedCardWriter, actions: list[str]) -> None:
        super().__init__(as_json=True, may_ask=True)
        self.actions = actions
        self.questions: list[str] = []
        self._card_writer = card_writer

    def ask(self, question: str) -> str:
        self.questions.append(question)
        action = self.actions.pop(0)
        if action not in ("forgets", "skips", "reuses"):
            self._card_writer.inserted = action
        return {"skips": "s", "reuses": "r"}.get(action, "")


def test_cards_are_made_one_after_another(write_list: Callable[[str], Path], tmp_path: Path) -> None:
    card_writer = SimulatedCardWriter()
    user = SimulatedUser(card_writer, ["blank", "forgets", "worn out", "blank", "skips"])
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    make_cards(report, card_writer, READER, user, check_capacity=False)
    assert [entry.state for entry in report.entries] == [CardState.DONE, CardState.DONE, CardState.WAITING]
    assert card_writer.written == ["0C:25:76:0A:1B:2C", "0C:25:76:0A:1B:2D"]
    asked_labels = [question.split()[1] for question in user.questions]
    assert asked_labels == ["SUNMI-1B2C", "SUNMI-1B2D", "SUNMI-1B2D", "SUNMI-1B2D", "SUNMI-1B2D"]
    card_writer = SimulatedCardWriter()
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    make_cards(report, card_writer, READER, SimulatedUser(card_writer, ["blank"]), check_capacity=False)
    assert (report.count(CardState.DONE), card_writer.written) == (3, ["FF:25:76:0A:1B:2D"])


def test_one_card_can_be_used_for_all_cameras(write_list: Callable[[str], Path], tmp_path: Path) -> None:
    card_writer = SimulatedCardWriter()
    user = SimulatedUser(card_writer, ["blank", "forgets", "reuses", "forgets", "reuses"])
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    make_cards(report, card_writer, READER, user, check_capacity=False)
    assert (report.count(CardState.DONE), user.actions) == (3, [])


def test_no_input_asks_nothing(write_list: Callable[[str], Path], tmp_path: Path) -> None:
    report = BatchReport.resume(tmp_path / "out", read_card_list(write_list(THREE), NullProgress()).cards)
    with pytest.raises(InvalidInput, match=r"--no-input: .*SUNMI-1B2C"):
        make_cards(report, SimulatedCardWriter(), READER, QUIET, check_capacity=False)


def test_a_firmware_is_loaded_once(write_list: Callable[[str], Path], firmware_file: Path) -> None:
    cards = read_card_list(write_list(THREE), NullProgress()).cards
    assert cards[0].firmware is cards[2].firmware
    assert cards[0].sha256 == hashlib.sha256(firmware_file.read_bytes()).digest()
