"""What can be no firmware is refused, whatever its name; `--force-firmware` lets the vendor's exceptions pass."""

import io
import random
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.errors import InvalidInput
from firmware_tools.firmware import load_firmware
from firmware_tools.firmware_content import find_content_fault
from tests.firmware_tools.conftest import MAC

FILLING = random.Random(8).randbytes(100_000)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234567\n"


def pe_program() -> bytes:
    return b"MZ" + bytes(58) + (128).to_bytes(4, "little") + bytes(64) + b"PE\0\0" + FILLING


NO_FIRMWARE = {
    "JSON": (b'{"code": 403, "msg": "link expired"}\n', "JSON"),
    "long JSON": (b'[{"code": 403}' + b" " * 100_000 + b"]", "JSON"),
    "text": (b"404 page not found\n", "text"),
    "Chinese text": ("文件不存在或链接已过期\r\n".encode("gb18030") * 9000, "text"),
    "UTF-16 text": (("Not found\r\n" * 9000).encode("utf-16"), "text"),
    "LFS pointer": (LFS, "Git LFS"),
    "zeros": (bytes(200_000), "each of its bytes is 0x00"),
    "erased": (b"\xff" * 3_000_000, "each of its bytes is 0xFF"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + FILLING, "PDF"),
    "EXE": (pe_program(), "program for Windows"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + FILLING, "PNG"),
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + FILLING, "JPEG"),
    "GIF": (b"GIF89a" + FILLING, "GIF"),
    "BMP": (b"BM\x36\x10\x0e\x00\x00\x00\x00\x00\x36\x00" + FILLING, "BMP"),
    "WebP": (b"RIFF\x24\x00\x01\x00WEBP" + FILLING, "RIFF"),
    "video": (b"\x00\x00\x00\x18ftypmp42" + FILLING, "MP4"),
    "old Word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + FILLING, "Office"),
    "too small": (FILLING[: (64 << 10) - 1], "too small"),
}


@pytest.mark.parametrize("kind", NO_FIRMWARE)
def test_what_can_be_no_firmware_is_refused(tmp_path: Path, kind: str) -> None:
    content, fault = NO_FIRMWARE[kind]
    saved, packed = tmp_path / "ipc-up.bin", tmp_path / "download.zip"
    saved.write_bytes(content)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(saved, "ipc-up.bin")
    for path in (saved, packed):
        with pytest.raises(InvalidInput, match=f"{fault}.*--force-firmware"):
            load_firmware([path])
        assert load_firmware([path], force=True).size == len(content)


@pytest.mark.parametrize("suffix", [".crdownload", ".part", ".PARTIAL", ".download"])
def test_unfinished_downloads_are_refused(tmp_path: Path, firmware_file: Path, suffix: str) -> None:
    path, packed = firmware_file.with_name(f"ipc-up.bin{suffix}"), tmp_path / "download.zip"
    path.write_bytes(firmware_file.read_bytes())
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, path.name)
    for unfinished in (path, packed):
        with pytest.raises(InvalidInput, match="unfinished download"):
            load_firmware([unfinished])
    beside = firmware_file.with_name(f"{firmware_file.name}.part")
    beside.touch()
    with pytest.raises(InvalidInput, match=r"\.part is beside it"):
        load_firmware([firmware_file])


def test_an_empty_file_is_refused_also_by_force(tmp_path: Path) -> None:
    empty, packed = tmp_path / "empty.bin", tmp_path / "empty.zip"
    empty.touch()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(empty, "ipc-up.bin")
    for path in (empty, packed):
        with pytest.raises(InvalidInput, match="the file is empty"):
            load_firmware([path], force=True)


@pytest.mark.parametrize(
    "head",
    [
        b"#!/bin/sh\n# unpacks itself\n",
        b"MZ\x00\x91" + bytes(52) + b"ARM\x64" + bytes(4),  # a kernel for 64-bit ARM
        b"\x27\x05\x19\x56",
        b"\x7fELF",
        bytes(4096),
    ],
)
def test_what_may_be_a_firmware_is_accepted(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "ipc-up.bin"
    path.write_bytes(head + FILLING)
    assert load_firmware([path]).size == len(head) + len(FILLING)


def test_a_later_part_may_begin_with_any_short_signature(tmp_path: Path) -> None:
    one, two = tmp_path / "fw.bin.001", tmp_path / "fw.bin.002"
    one.write_bytes(FILLING)
    for signature in (b"MZ", b"BM", b"\x1f\x8b\x08", b"\xff\xd8\xff"):
        two.write_bytes(signature + FILLING)
        assert load_firmware([one]).size == 2 * len(FILLING) + len(signature)
    two.write_bytes(b'{"error": "expired"}')
    with pytest.raises(InvalidInput, match=r"fw\.bin\.002: this is a message in JSON"):
        load_firmware([one])


def test_a_damaged_archive_is_refused_wherever_the_damage_lies(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ipc-up.bin", b"".join(b"%d," % number for number in range(60_000)) + FILLING)
    content, path, generator = buffer.getvalue(), tmp_path / "fw.zip", random.Random(9)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            firmware = load_firmware([path], force=True)
            with firmware.open() as stream:
                assert len(stream.read()) == firmware.size
        except InvalidInput:
            continue


def test_the_option_is_known_to_the_commands(
    run_sdcard: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    small, image = tmp_path / "small.bin", tmp_path / "card.img"
    small.write_bytes(FILLING[:1000])
    card = ("image", "--mac", MAC, "--size", "32MiB", "--firmware", small)
    refused, made = run_sdcard(*card, image), run_sdcard(*card, "--force-firmware", image)
    assert (refused.returncode, made.returncode) == (1, 0)
    assert "too small" in refused.stderr
    listed = tmp_path / "cards.csv"
    listed.write_text(f"mac,model,firmware\n{MAC},FM010,{small.name}\n")
    batch = ("batch", listed, "--images", tmp_path / "out", "--size", "32MiB")
    verify = ("verify", "--firmware", small)
    for command in (batch, (*verify, image)):
        results = [run_sdcard(*command), run_sdcard(*command, "--force-firmware")]
        assert [result.returncode for result in results] == [1, 0]


@pytest.mark.timeout(20)
def test_comments_before_something_else_than_a_web_page_are_skipped_once() -> None:
    assert find_content_fault(b"<!-- x -->\n" * 1000 + b"<div>" + bytes(1000)) is None
