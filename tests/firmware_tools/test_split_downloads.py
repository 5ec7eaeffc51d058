"""Downloads of several files: all that is given becomes the firmware, or is refused by name."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.errors import InvalidInput
from firmware_tools.firmware import load_firmware
from firmware_tools.progress import NullProgress

HALF = 700_000


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def load_sha256(*paths: Path) -> str:
    return load_firmware(paths).compute_sha256(NullProgress()).hex()


@pytest.fixture
def halves(firmware_file: Path) -> tuple[bytes, bytes]:
    content = firmware_file.read_bytes()
    return content[:HALF], content[HALF:]


def test_parts_that_are_whole_archives_are_opened_each_by_itself(
    tmp_path: Path, halves: tuple[bytes, bytes], firmware_sha256: str
) -> None:
    one = write_zip(tmp_path / "Part1.zip", {"fw/ipc.part1": halves[0], "readme.txt": b"read me"})
    two = write_zip(tmp_path / "Part2.zip", {"fw/ipc.part2": halves[1]})
    assert load_sha256(one) == load_sha256(one, two) == firmware_sha256
    firmware = load_firmware([one])
    assert firmware.size == sum(map(len, halves))
    assert "Part1.zip, fw/ipc.part1" in firmware.name
    assert "Part2.zip, fw/ipc.part2" in firmware.name


@pytest.mark.parametrize("members", [{"readme.txt": b"hello\n"}, {"ipc.bin": b"hello\n"}, {}])
def test_a_part_without_firmware_is_refused_by_name(
    tmp_path: Path, halves: tuple[bytes, bytes], members: dict[str, bytes]
) -> None:
    one = write_zip(tmp_path / "Part1.zip", {"ipc.bin": halves[0]})
    write_zip(tmp_path / "Part2.zip", members)
    with pytest.raises(InvalidInput, match=r"Part2\.zip.*(no firmware|this is text)"):
        load_firmware([one])


def test_two_archives_with_the_same_content_are_no_parts(tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    one = write_zip(tmp_path / "Part1.zip", {"ipc.bin": halves[0]})
    write_zip(tmp_path / "Part2.zip", {"ipc.bin": halves[0]})
    with pytest.raises(InvalidInput, match=r"Part2\.zip, ipc\.bin: it has the same content as .*Part1\.zip"):
        load_firmware([one])


def test_an_archive_and_a_file_without_archive_do_not_belong_together(
    tmp_path: Path, halves: tuple[bytes, bytes]
) -> None:
    one, two = write_zip(tmp_path / "one.zip", {"ipc.bin": halves[0]}), tmp_path / "two.bin"
    two.write_bytes(halves[1])
    for paths in ([one, two], [two, one]):
        with pytest.raises(InvalidInput, match=r"two\.bin: it is no whole zip archive"):
            load_firmware(paths)


def test_every_other_member_than_the_firmware_must_be_a_document(tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    path = write_zip(tmp_path / "fw.zip", {"ipc.bin": halves[0], "ai.dat": halves[1]})
    with pytest.raises(InvalidInput, match=r"several files \(ipc\.bin, ai\.dat\)"):
        load_firmware([path])


def test_links_in_an_archive_are_refused(tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    path = tmp_path / "fw.zip"
    link = zipfile.ZipInfo("ipc.bin")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "fw/real.bin")
    with pytest.raises(InvalidInput, match=r"ipc\.bin in the archive is a link"):
        load_firmware([path])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fw/real.bin", halves[0])
    with pytest.raises(InvalidInput, match=r"ipc\.bin in the archive is a link"):
        load_firmware([path])


def test_the_last_part_of_a_split_archive_alone_is_refused(
    tmp_path: Path, halves: tuple[bytes, bytes], run_tool: Callable[..., str]
) -> None:
    (tmp_path / "other.md").write_bytes(halves[0])
    (tmp_path / "ipc.bin").write_bytes(halves[1])
    run_tool("zip", "-q", "-0", "-j", "-s", "690k", tmp_path / "fw.zip", tmp_path / "other.md", tmp_path / "ipc.bin")
    assert load_firmware([tmp_path / "fw.zip"]).size == len(halves[1])
    (tmp_path / "fw.z01").rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match=r"fw\.zip: it is the last of 2 parts of a split zip archive"):
        load_firmware([tmp_path / "fw.zip"])


def test_a_gap_in_a_split_archive_is_named(tmp_path: Path, firmware_file: Path, run_tool: Callable[..., str]) -> None:
    run_tool("zip", "-q", "-s", "256k", tmp_path / "fw.zip", firmware_file)
    (tmp_path / "fw.z02").unlink()
    with pytest.raises(InvalidInput, match="part 2 is not beside it"):
        load_firmware([tmp_path / "fw.zip"])


def test_a_whole_archive_beside_a_part_of_another_is_refused(tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    path = write_zip(tmp_path / "fw.zip", {"ipc.bin": halves[0]})
    (tmp_path / "fw.z01").write_bytes(b"PK\x07\x08" + halves[1])
    with pytest.raises(InvalidInput, match=r"fw\.z01"):
        load_firmware([path])


@pytest.mark.parametrize("place", ["before", "after"])
def test_what_surrounds_an_archive_is_not_ignored(tmp_path: Path, halves: tuple[bytes, bytes], place: str) -> None:
    path = write_zip(tmp_path / "fw.zip", {"ipc.bin": halves[0]})
    other = write_zip(tmp_path / "other.zip", {"ipc.bin": halves[1]})
    added, content = other.read_bytes() if place == "before" else b"more than a comment", path.read_bytes()
    path.write_bytes(added + content if place == "before" else content + added)
    with pytest.raises(InvalidInput, match=r"something (precedes|follows) the zip archive"):
        load_firmware([path])


@pytest.mark.parametrize(
    ("present", "given", "fault"),
    [
        (["fw-part2.bin"], "fw-part2.bin", "part 1 is not beside it"),
        (["fw.bin.002"], "fw.bin.002", "part 1 is not beside it"),
        (["fw.bin.001"], "fw.bin.001", "part 2 is not beside it"),
        (["fw-Part1.bin", "fw-part2.bin", "fw-part4.bin"], "fw-Part1.bin", "part 3 is not beside it"),
        (["fw-part1.bin", "fw-part01.bin", "fw-part2.bin"], "fw-part1.bin", "are both part 1"),
        (["fw-1.2.001", "fw-1.2.002"], "fw-1.2.001", "a version or with the number of a part"),
    ],
)
def test_missing_and_doubtful_parts_are_named(
    tmp_path: Path, halves: tuple[bytes, bytes], present: list[str], given: str, fault: str
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in present:
        (folder / name).write_bytes(halves[0])
    with pytest.raises(InvalidInput, match=fault):
        load_firmware([folder / given])


def test_files_that_are_named_one_by_one_must_be_all_parts_in_order(
    tmp_path: Path, halves: tuple[bytes, bytes]
) -> None:
    one, two, three = (tmp_path / f"Part{number}.bin" for number in (1, 2, 3))
    for path in (one, two, three):
        path.write_bytes(halves[0])
    for paths, fault in (
        ([one, three], r"Part3\.bin: it is part 3, but part 2"),
        ([two, one], r"Part2\.bin: it is part 2, but part 1"),
        ([one, two], r"Part3\.bin: this part was not named"),
        ([one, one], "part 2"),
    ):
        with pytest.raises(InvalidInput, match=fault):
            load_firmware(paths)
    other = tmp_path / "other.bin"
    other.write_bytes(halves[0])
    with pytest.raises(InvalidInput, match="named twice"):
        load_firmware([other, other])


def test_a_file_that_is_no_archive_but_named_so_is_refused(tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    path = tmp_path / "fw.zip"
    for content, fault in ((halves[0], "no zip archive, although"), (b"<html>404", "web page")):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=fault):
            load_firmware([path])


@pytest.mark.parametrize("name", ["fw.bin", "fw.zip"])
def test_the_end_of_a_cut_archive_is_no_firmware(tmp_path: Path, firmware_file: Path, name: str) -> None:
    whole = write_zip(tmp_path / "whole.zip", {"ipc.bin": firmware_file.read_bytes()})
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[500_000:])
    with pytest.raises(InvalidInput, match="its first part is missing"):
        load_firmware([path])
