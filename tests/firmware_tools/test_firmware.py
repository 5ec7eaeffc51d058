"""Firmware files: plain, zip_file and split ones, and files that are refused."""

import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.errors import InvalidInput
from firmware_tools.firmware import load_firmware, parse_sha256
from firmware_tools.progress import NullProgress


@pytest.fixture
def zip_file(tmp_path: Path, firmware_file: Path) -> Path:
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("fw")
        archive.write(firmware_file, "fw/ipc.bin")
        archive.writestr("__MACOSX/fw/._ipc.bin", b"metadata")
    return path


def split_file(path: Path, names: list[str], size: int) -> list[Path]:
    content, parts = path.read_bytes(), []
    for index, name in enumerate(names):
        end = (index + 1) * size if index < len(names) - 1 else None
        part = path.with_name(name)
        part.write_bytes(content[index * size : end])
        parts.append(part)
    return parts


def load_sha256(*paths: Path) -> str:
    return load_firmware(paths).compute_sha256(NullProgress()).hex()


def test_a_plain_file_is_loaded(firmware_file: Path, firmware_sha256: str) -> None:
    firmware = load_firmware([firmware_file])
    assert (firmware.size, firmware.modified) == (1_234_567, firmware_file.stat().st_mtime)
    assert load_sha256(firmware_file) == firmware_sha256


def test_a_zip_is_unpacked(zip_file: Path, firmware_sha256: str) -> None:
    assert load_firmware([zip_file]).size == 1_234_567
    assert load_sha256(zip_file) == firmware_sha256


@pytest.mark.parametrize(
    "names",
    [
        ["FM020-Part1.bin", "FM020-Part2.bin"],
        ["fw_part01", "fw_part02", "fw_part03"],
        ["fw.bin.001", "fw.bin.002"],
    ],
)
def test_split_files_are_joined_in_order(firmware_file: Path, firmware_sha256: str, names: list[str]) -> None:
    parts = split_file(firmware_file, names, 400_000)
    assert load_sha256(*parts) == firmware_sha256
    assert load_sha256(parts[0]) == firmware_sha256, "the others are found beside the first"
    with pytest.raises(InvalidInput, match="name part 1"):
        load_firmware([parts[1]])


def test_a_zip_cut_into_parts_is_joined(zip_file: Path, firmware_sha256: str) -> None:
    parts = split_file(zip_file, ["Part1.zip", "Part2.zip", "Part3.zip"], 500_000)
    assert load_sha256(parts[0]) == firmware_sha256
    with pytest.raises(InvalidInput, match=r"Part3\.zip: this part was not named"):
        load_firmware(parts[:2])
    parts[2].unlink()
    with pytest.raises(InvalidInput, match="damaged"):
        load_firmware(parts[:2])


def test_a_split_zip_is_unpacked(
    tmp_path: Path, firmware_file: Path, firmware_sha256: str, run_tool: Callable[..., str]
) -> None:
    run_tool("zip", "-q", "-s", "256k", tmp_path / "split.zip", firmware_file)
    assert (tmp_path / "split.z02").exists()
    assert load_sha256(tmp_path / "split.zip") == load_sha256(tmp_path / "split.z01") == firmware_sha256
    (tmp_path / "split.zip").unlink()
    with pytest.raises(InvalidInput, match=r"split\.zip is missing"):
        load_firmware([tmp_path / "split.z01"])


def test_a_missing_second_part_is_reported(firmware_file: Path) -> None:
    first = split_file(firmware_file, ["Part1", "Part2"], 600_000)[0]
    first.with_name("Part2").unlink()
    with pytest.raises(InvalidInput, match="part 2 is not beside it"):
        load_firmware([first])


def test_a_version_number_is_no_part_number(firmware_file: Path) -> None:
    assert load_firmware([firmware_file.rename(firmware_file.with_name("ipc-1.2.001"))]).size == 1_234_567


def pack(kind: str, path: Path) -> bytes:
    content = path.read_bytes()
    if kind == "gzip":
        return gzip.compress(content)
    if kind == "xz":
        return lzma.compress(content)
    if kind == "tar":
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(path, "ipc.bin")
        return buffer.getvalue()
    return {"RAR": b"Rar!\x1a\x07\x01\x00", "7-Zip": b"7z\xbc\xaf\x27\x1c\x00\x04"}[kind] + content


@pytest.mark.parametrize("kind", ["RAR", "7-Zip", "gzip", "xz", "tar"])
def test_other_archives_are_refused(firmware_file: Path, kind: str) -> None:
    packed = firmware_file.with_name("download.bin")
    packed.write_bytes(pack(kind, firmware_file))
    with pytest.raises(InvalidInput, match=f"{kind} archive; unpack it"):
        load_firmware([packed])


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><head><title>404</title>",
        b"\n  <HTML>\r\n<body>Access denied",
        b"\xef\xbb\xbf<!doctype html>",
        b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code>",
        b"<!-- hello -->\n<html>",
        b"<!-- a -- > b -->" * 1000 + b"<html>",  # quickly, however many comments precede it
    ],
)
def test_web_pages_are_refused(tmp_path: Path, firmware_file: Path, page: bytes) -> None:
    saved = tmp_path / "ipc.bin"
    saved.write_bytes(page)
    with pytest.raises(InvalidInput, match="web page"):
        load_firmware([saved])
    with pytest.raises(InvalidInput, match="web page"):
        load_firmware([firmware_file, saved])
    inside = tmp_path / "inside.zip"
    with zipfile.ZipFile(inside, "w") as archive:
        archive.write(saved, "ipc.bin")
    with pytest.raises(InvalidInput, match="web page"):
        load_firmware([inside])


def test_what_is_not_a_file_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.bin").touch()
    for path, fault in ((tmp_path / "none", "no such file"), (tmp_path, "folder"), (tmp_path / "empty.bin", "empty")):
        with pytest.raises(InvalidInput, match=fault):
            load_firmware([path])
    with pytest.raises(InvalidInput, match="no ordinary file"):
        load_firmware([Path("/dev/null")])


def test_a_zip_must_hold_one_firmware(tmp_path: Path, zip_file: Path, firmware_file: Path) -> None:
    for names, fault in (([], "no file"), (["a.bin", "b.bin"], "a.bin, b.bin"), (["a.txt", "b.txt"], "a.txt, b.txt")):
        path = tmp_path / "odd.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(firmware_file, name)
        with pytest.raises(InvalidInput, match=fault):
            load_firmware([path])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "read me")
        archive.write(firmware_file, "ipc.bin")
    assert load_firmware([path]).size == 1_234_567
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(zip_file, "inner.zip")
    with pytest.raises(InvalidInput, match=r"inner\.zip: this is a zip archive; unpack it"):
        load_firmware([path])


def test_a_damaged_zip_is_refused(zip_file: Path) -> None:
    content = bytearray(zip_file.read_bytes())
    content[600_000] ^= 0xFF
    zip_file.write_bytes(content)
    with pytest.raises(InvalidInput, match="damaged"):
        load_sha256(zip_file)
    zip_file.write_bytes(content[:700_000])
    with pytest.raises(InvalidInput, match="damaged"):
        load_firmware([zip_file])


def test_an_encrypted_zip_is_refused(tmp_path: Path, firmware_file: Path, run_tool: Callable[..., str]) -> None:
    run_tool("zip", "-q", "-P", "secret", tmp_path / "locked.zip", firmware_file)
    with pytest.raises(InvalidInput, match="encrypted"):
        load_firmware([tmp_path / "locked.zip"])


def test_parts_may_be_many_and_in_different_folders(tmp_path: Path, firmware_file: Path, firmware_sha256: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parts = split_file(firmware_file, [f"{number:02}" for number in range(13)], 100_000)
    moved = [Path(shutil.move(part, elsewhere)) if index % 2 else part for index, part in enumerate(parts)]
    assert load_sha256(*moved) == firmware_sha256


def test_a_sha256_has_64_digits() -> None:
    assert parse_sha256("0A" * 32) == b"\x0a" * 32
    with pytest.raises(InvalidInput, match="64 hex digits"):
        parse_sha256("0a" * 31)
