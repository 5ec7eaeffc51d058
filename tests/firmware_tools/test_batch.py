"""Batches: lists checked as a whole, runs that resume, reports to print."""

import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from firmware_tools.batch.plan import read_plan, same_labels
from firmware_tools.batch.report import DONE, FAILED, WAITING, Report
from firmware_tools.batch.run import make_cards, make_images
from firmware_tools.card import Card
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import CardError, CardFaulty, InputRefused
from firmware_tools.firmware import Firmware
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import verify_card
from firmware_tools.workshop import Made

SIZE = 32 << 20
READER = Drive("sda", "/dev/sda", SIZE, "usb", "Reader", "77", (), None, ())
QUIET = Console(as_json=True, may_ask=False)


@pytest.fixture
def list_(tmp_path: Path, firmware_file: Path) -> Callable[[str], Path]:
    """Write a list; FW stands for the firmware's name."""

    def written(text: str) -> Path:
        path = tmp_path / "cards.csv"
        path.write_text(text.replace("FW", firmware_file.name))
        return path

    return written


THREE = "mac,model,firmware,version\n0c25760a1b2c,FM010,FW,1.2.0-uat\n0C:25:76:0A:1B:2D,SS,FW,\n\nff25760a1b2d,FS,FW,\n"


def test_a_list_is_read(list_: Callable[[str], Path], firmware_sha256: str) -> None:
    plan = read_plan(list_(THREE), Unseen())
    assert [(wanted.line, str(wanted.card.mac), wanted.card.model) for wanted in plan] == [
        (2, "0C:25:76:0A:1B:2C", "FM010"),
        (3, "0C:25:76:0A:1B:2D", "FM010"),
        (5, "FF:25:76:0A:1B:2D", "FM020"),
    ]
    assert {wanted.sha256.hex() for wanted in plan} == {firmware_sha256}
    assert (plan[0].card.version, plan[0].card.channel) == ("1.2.0-uat", "uat")
    assert same_labels(plan) == [
        "0C:25:76:0A:1B:2D and FF:25:76:0A:1B:2D have the same label SUNMI-1B2D: keep their cards apart"
    ]


def test_lists_as_spreadsheets_write_them(list_: Callable[[str], Path]) -> None:
    plan = read_plan(list_('\ufeffMAC; Model ;firmware\r\n"0c25760a1b2c";FM010;"FW"\r\n;;\r\n'), Unseen())
    assert [wanted.card.mac.label for wanted in plan] == ["SUNMI-1B2C"]


def test_every_wrong_line_is_named(list_: Callable[[str], Path]) -> None:
    wrong = (
        "mac,model,firmware,mode,sha256\n0c25760a1b2,FM010,FW,,\n0c25760a1b2c,FM030,FW,,\n0c25760a1b2c,SS,none.bin,,\n"
        "0c25760a1b2c,SS,,,\n0c25760a1b2c,SS,FW,maybe,\n0c25760a1b2c,SS,FW,recovery,\n0c:25:76:0a:1b:2c,SS,FW,,\n"
        f"0c25760a1b2e,SS,FW,,{'0' * 64}\n0c25760a1b2f,SS,FW,,,more\n"
    )
    with pytest.raises(InputRefused) as refused:
        read_plan(list_(wrong), Unseen())
    text = str(refused.value)
    assert [int(line) for line in re.findall(r"line (\d+):", text)] == [2, 3, 4, 5, 6, 8, 9, 10]
    for named in ("11 hex digits", "FM010 (SS", "no such file", "no firmware is named", "mode 'maybe'", "in line 7"):
        assert named in text
    assert "not the one in the list" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "column mac is missing"),
        ("mac,model\n", "column firmware is missing"),
        ("mac,model,firmware,colour\n", "column 'colour'"),
        ("mac,mac,model,firmware\n", "twice"),
        ("mac,model,firmware\n", "empty"),
    ],
)
def test_lists_that_are_none(list_: Callable[[str], Path], text: str, named: str) -> None:
    with pytest.raises(InputRefused, match=named):
        read_plan(list_(text), Unseen())


def test_files_that_are_no_list(tmp_path: Path, firmware_file: Path) -> None:
    for path, named in ((tmp_path / "none.csv", "no such list"), (firmware_file, "UTF-8"), (tmp_path, "directory")):
        with pytest.raises(CardError, match=named):
            read_plan(path, Unseen())


def test_images_with_a_report(list_: Callable[[str], Path], tmp_path: Path, firmware_sha256: str) -> None:
    plan, folder = read_plan(list_(THREE), Unseen()), tmp_path / "out"
    report = Report.resume(folder, plan)
    report.notes = same_labels(plan)
    make_images(report, SIZE, QUIET)
    names = ["SUNMI-1B2C-0C25760A1B2C.img", "SUNMI-1B2D-0C25760A1B2D.img", "SUNMI-1B2D-FF25760A1B2D.img"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "report.html", "report.json"]
    for name, wanted in zip(names, plan, strict=True):
        with open_medium(folder / name) as medium:
            assert verify_card(medium, progress=Unseen(), mac=wanted.card.mac).good
    document = json.loads((folder / "report.json").read_text())
    assert (document["done"], document["failed"], document["waiting"]) == (3, 0, 0)
    first = document["cards"][0]
    assert (first["mac"], first["label"], first["version"]) == ("0C:25:76:0A:1B:2C", "SUNMI-1B2C", "1.2.0-uat")
    assert (first["sha256"], first["state"], first["place"]) == (firmware_sha256, "done", names[0])


def test_the_report_can_be_printed(list_: Callable[[str], Path], tmp_path: Path, firmware_sha256: str) -> None:
    report = Report.resume(tmp_path / "out", read_plan(list_(THREE), Unseen()))
    report.entries[0].fail("<b>broken</b> & worn out")
    report.save()
    page = (tmp_path / "out" / "report.html").read_text()

    class Labels(HTMLParser):
        titles: list[str] = []  # noqa: RUF012
        inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = tag == "h2"
            assert tag not in ("script", "link", "img", "b"), "the page needs nothing else and trusts nobody"

        def handle_data(self, data: str) -> None:
            if self.inside and data.strip():
                self.titles.append(data)
                self.inside = False

    parser = Labels()
    parser.feed(page)
    assert parser.titles == ["SUNMI-1B2C", "SUNMI-1B2D", "SUNMI-1B2D"]
    for text in ("0C:25:76:0A:1B:2C", "FM010", "1.2.0-uat", firmware_sha256, "red blinking after about 1 minute"):
        assert text in page
    assert "&lt;b&gt;broken&lt;/b&gt; &amp; worn out" in page


def test_a_run_resumes(list_: Callable[[str], Path], tmp_path: Path, firmware_file: Path) -> None:
    folder = tmp_path / "out"
    make_images(Report.resume(folder, read_plan(list_(THREE), Unseen())), SIZE, QUIET)
    images = sorted(folder.glob("*.img"))
    before = [image.stat().st_ino for image in images]
    with images[1].open("r+b") as file:
        file.seek(9 << 20)
        file.write(b"damaged")
    report = Report.resume(folder, read_plan(list_(THREE), Unseen()))
    assert report.count(DONE) == 3
    make_images(report, SIZE, QUIET)
    after = [image.stat().st_ino for image in images]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True], "the damaged one only"
    firmware_file.write_bytes(b"a newer firmware")
    report = Report.resume(folder, read_plan(list_(THREE), Unseen()))
    assert report.count(WAITING) == 3, "another firmware makes other cards"


def test_a_failure_does_not_end_the_run(list_: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "SUNMI-1B2C-0C25760A1B2C.img").mkdir(parents=True)
    report = Report.resume(folder, read_plan(list_(THREE), Unseen()))
    make_images(report, SIZE, QUIET)
    assert [entry.state for entry in report.entries] == [FAILED, DONE, DONE]
    assert "folder" in json.loads((folder / "report.json").read_text())["cards"][0]["reason"]


def test_a_report_that_is_not_ours(list_: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for text in ("oops", "{}", '{"cards": [{}]}'):
        (folder / "report.json").write_text(text)
        with pytest.raises(InputRefused, match="no report of ours"):
            Report.resume(folder, read_plan(list_(THREE), Unseen()))


class Bench:
    """A workshop with one reader, into which cards are put from a stack."""

    def __init__(self, cards: list[str | None]) -> None:
        self.stack = cards
        self.now: str | None = None
        self.made: list[str] = []

    def drives(self) -> list[Drive]:
        return [READER] if self.now is not None else []

    def make(
        self,
        drive: Drive,
        card: Card,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        with_capacity: bool = False,
    ) -> Made:
        if self.now == "worn out":
            raise CardFaulty("sda: reading back: worn out")
        self.now = str(card.mac)
        self.made.append(str(card.mac))
        return Made(drive, "")

    def camera_of(self, drive: Drive) -> str | None:
        return self.now

    def release(self, drive: Drive) -> bool:
        return True


class Installer(Console):
    """Somebody who puts the next card of the stack into the reader when asked; None forgets to."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(as_json=True, may_ask=True)
        self.bench = bench
        self.questions: list[str] = []

    def ask(self, question: str) -> str:
        self.questions.append(question)
        card = self.bench.stack.pop(0)
        if card == "skip":
            return "s"
        self.bench.now = self.bench.now if card in (None, "reuse") else card
        return "r" if card == "reuse" else ""


def test_cards_one_after_another(list_: Callable[[str], Path], tmp_path: Path) -> None:
    bench = Bench(["blank", None, "worn out", "blank", "skip"])
    installer = Installer(bench)
    report = Report.resume(tmp_path / "out", read_plan(list_(THREE), Unseen()))
    make_cards(report, bench, READER, installer, with_capacity=False)
    assert [entry.state for entry in report.entries] == [DONE, DONE, WAITING]
    assert bench.made == ["0C:25:76:0A:1B:2C", "0C:25:76:0A:1B:2D"]
    asked = [question.split()[1] for question in installer.questions]
    assert asked == ["SUNMI-1B2C", "SUNMI-1B2D", "SUNMI-1B2D", "SUNMI-1B2D", "SUNMI-1B2D"]
    again = Installer(Bench(["blank"]))
    report = Report.resume(tmp_path / "out", read_plan(list_(THREE), Unseen()))
    make_cards(report, again.bench, READER, again, with_capacity=False)
    assert (report.count(DONE), again.bench.made) == (3, ["FF:25:76:0A:1B:2D"])


def test_one_card_for_all_cameras(list_: Callable[[str], Path], tmp_path: Path) -> None:
    bench = Bench(["blank", None, "reuse", None, "reuse"])
    report = Report.resume(tmp_path / "out", read_plan(list_(THREE), Unseen()))
    make_cards(report, bench, READER, Installer(bench), with_capacity=False)
    assert (report.count(DONE), bench.stack) == (3, [])


def test_nobody_is_asked_without_input(list_: Callable[[str], Path], tmp_path: Path) -> None:
    report = Report.resume(tmp_path / "out", read_plan(list_(THREE), Unseen()))
    with pytest.raises(InputRefused, match=r"--no-input: .*SUNMI-1B2C"):
        make_cards(report, Bench([]), READER, QUIET, with_capacity=False)


def test_hashes_of_one_firmware_are_counted_once(list_: Callable[[str], Path], firmware_file: Path) -> None:
    plan = read_plan(list_(THREE), Unseen())
    assert plan[0].firmware is plan[2].firmware
    assert plan[0].sha256 == hashlib.sha256(firmware_file.read_bytes()).digest()
    assert Mac.parse("0c25760a1b2c") == plan[0].card.mac
