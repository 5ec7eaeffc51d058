"""The command as it is typed: what it prints where, and its exit status."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MAC = "0C:25:76:0A:1B:2C"
Sdcard = Callable[..., "subprocess.CompletedProcess[str]"]
IMAGE = ("image", "--mac", MAC, "--size", "32MiB")


def test_image_verify_clean(sdcard: Sdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    made = sdcard(*IMAGE, "--firmware", firmware_file, "--model", "ss", "--version", "1.2.0-uat", image)
    assert made.returncode == 0
    assert made.stdout == f"{image}: card SUNMI-1B2C with firmware/ipc-up.bin, SHA-256 {firmware_sha256}\n"
    assert "of its own model (this is for FM010)" in made.stderr
    assert "of another version than it runs (this is 1.2.0-uat)" in made.stderr
    assert "red blinking" in made.stderr
    good = sdcard("verify", "--mac", MAC, "--firmware", firmware_file, image)
    assert (good.returncode, good.stderr) == (0, "")
    assert "good" in good.stdout
    cleaned = sdcard("clean", image)
    assert (cleaned.returncode, cleaned.stdout) == (0, f"{image}: removed firmware/ipc-up.bin\n")
    bad = sdcard("verify", image)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == f"sunmi-sdcard: {image}: firmware: there is no firmware file on the card\n"


def test_json_is_one_document(sdcard: Sdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    made = sdcard("image", "--json", "--mac", MAC, "--size", "33554432", image, "--firmware", firmware_file)
    document = json.loads(made.stdout)
    assert document["image"] == str(image)
    assert (document["mac"], document["label"], document["mode"]) == (MAC, "SUNMI-1B2C", "update")
    assert (document["sha256"], document["firmware_size"]) == (firmware_sha256, 1_234_567)
    for arguments in (("verify", image, "--json"), ("--json", "verify", image)):
        verified = json.loads(sdcard(*arguments).stdout)
        assert (verified["good"], verified["fault"], verified["sha256"]) == (True, None, firmware_sha256)
        assert verified["record"]["mac"] == MAC
    bad = sdcard("verify", image, "--sha256", "0" * 64, "--json")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["good"] is False
    assert bad.stderr.count("\n") == 1
    assert json.loads(sdcard("clean", image, "--json").stdout)["removed"] == ["firmware/ipc-up.bin"]
    assert json.loads(sdcard("clean", image, "--json").stdout)["removed"] == []


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ((), "firmware/ipc-up.bin"),
        (("--mode", "update"), "firmware/ipc-up.bin"),
        (("--file-name", "ip-up.bin"), "firmware/ip-up.bin"),
        (("--mode", "recovery"), "up.bin"),
    ],
)
def test_modes(sdcard: Sdcard, firmware_file: Path, tmp_path: Path, options: tuple[str, ...], file: str) -> None:
    image = tmp_path / "card.img"
    made = sdcard(*IMAGE, *options, "--firmware", firmware_file, image, "--json")
    assert json.loads(made.stdout)["file"] == file
    assert json.loads(sdcard("verify", image, "--json").stdout)["file"] == file
    assert ("ip-up.bin is the spelling" in made.stderr) is ("ip-up.bin" in options)


def test_parts_and_archives(sdcard: Sdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path) -> None:
    content, image = firmware_file.read_bytes(), tmp_path / "card.img"
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(content[:1000])
    two.write_bytes(content[1000:])
    made = sdcard(*IMAGE, "--firmware", one, "--firmware", two, image, "--json", "--sha256", firmware_sha256.upper())
    assert json.loads(made.stdout)["sha256"] == firmware_sha256


BAD = [
    (("image", "--mac", "nonsense", "--size", "64MiB", "--firmware", "FW", "IMG"), "'N'"),
    (("image", "--mac", "0c25", "--size", "64MiB", "--firmware", "FW", "IMG"), "4 hex digits"),
    ((*IMAGE[:-1], "1MiB", "--firmware", "FW", "IMG"), "at least 32 MiB"),
    ((*IMAGE[:-1], "huge", "--firmware", "FW", "IMG"), "size 'huge'"),
    ((*IMAGE, "--firmware", "missing.bin", "IMG"), "no such file"),
    ((*IMAGE, "--firmware", "/tmp", "IMG"), "folder"),  # noqa: S108
    ((*IMAGE, "--firmware", "FW", "/tmp"), "folder"),  # noqa: S108
    ((*IMAGE, "--firmware", "FW", "--sha256", "12", "IMG"), "64 hex digits"),
    ((*IMAGE, "--firmware", "FW", "--sha256", "0" * 64, "IMG"), "not the expected one"),
    ((*IMAGE, "--firmware", "FW", "--model", "FM999", "IMG"), "FM010"),
    ((*IMAGE, "--firmware", "FW", "--channel", "beta", "IMG"), "uat or release"),
    ((*IMAGE, "--firmware", "FW", "--version", "new", "IMG"), "1.2.0-release"),
    (("verify", "missing.img"), "no such file"),
    (("verify", "/tmp"), "folder"),  # noqa: S108
    (("verify", "/dev/null"), "neither an image file"),
    (("verify", "FW"), "incomplete: there is no partition table"),
    (("clean", "missing.img"), "no such file"),
    (("clean", "FW"), "nothing was changed"),
    (("prepare", "--mac", MAC, "--firmware", "FW", "sdz", "--no-input"), "no such drive"),
    (("batch", "missing.csv", "--images", "out", "--size", "64MiB"), "no such list"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=[" ".join(case[0][:1]) + ": " + case[1] for case in BAD])
def test_bad_input_is_one_line_and_touches_nothing(
    sdcard: Sdcard, firmware_file: Path, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    before = firmware_file.read_bytes()
    places = {"FW": str(firmware_file), "IMG": str(tmp_path / "new" / "card.img")}
    (tmp_path / "new").mkdir()
    failed = sdcard(*(places.get(argument, argument) for argument in arguments))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert named in failed.stderr
    assert failed.stderr.startswith("sunmi-sdcard: ")
    assert failed.stderr.count("\n") == 1
    assert list((tmp_path / "new").iterdir()) == []
    assert list((tmp_path / "here").iterdir()) == []
    assert firmware_file.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("image",),
        ("nonsense",),
        (*IMAGE, "--firmware", "x", "--mode", "maybe", "y"),
        (*IMAGE, "--firmware", "x", "--mode", "recovery", "--file-name", "ip-up.bin", "y"),
        ("verify", "x", "--firmware", "y", "--sha256", "z"),
        ("batch", "x"),
        ("batch", "x", "--images", "y"),
        ("batch", "x", "--drive", "sdz", "--size", "1GB"),
    ],
)
def test_wrong_usage(sdcard: Sdcard, arguments: tuple[str, ...]) -> None:
    failed = sdcard(*arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "Usage:" in failed.stderr


def test_help_and_list(sdcard: Sdcard, tool: Callable[..., str]) -> None:
    shown = sdcard("--help")
    assert shown.returncode == 0
    for name in ("list", "prepare", "image", "verify", "clean", "batch"):
        assert name in shown.stdout
        assert sdcard(name, "--help").returncode == 0
    tool("lsblk", "--version")
    for drive in json.loads(sdcard("list", "--json").stdout)["drives"]:
        assert {"name", "size", "bus", "offered", "reason"} <= set(drive)


def test_batch(sdcard: Sdcard, firmware_file: Path, tmp_path: Path) -> None:
    cards = tmp_path / "cards.csv"
    cards.write_text(f"mac,model,firmware\n{MAC},FM010,{firmware_file}\n")
    done = sdcard("batch", cards, "--images", tmp_path / "out", "--size", "32MiB", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["done"], document["failed"]) == (0, 1, 0)
    assert Path(document["report"]).is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_image_that_is_broken_off_leaves_the_old_one(
    sdcard: Sdcard, firmware_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    image, slow = tmp_path / "images" / "card.img", tmp_path / "large.bin"
    image.parent.mkdir()
    sdcard(*IMAGE, "--firmware", firmware_file, image)
    before = image.read_bytes()
    slow.touch()
    os.truncate(slow, 40 << 30)  # long enough to be interrupted in
    arguments = ["image", "--mac", MAC, "--size", "64GB", "--firmware", str(slow), str(image)]
    with subprocess.Popen(
        [sys.executable, "-m", "firmware_tools", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 20
        while len(list(image.parent.iterdir())) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    if number != signal.SIGKILL:
        assert process.returncode == 1
        assert said.startswith("sunmi-sdcard: stopped")
        assert said.count("\n") == 1
        assert list(image.parent.iterdir()) == [image]
    assert image.read_bytes() == before


def test_progress_is_shown_on_a_terminal(firmware_file: Path, tmp_path: Path) -> None:
    terminal, shown = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "firmware_tools", *IMAGE, "--firmware", firmware_file, tmp_path / "card.img"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=30,
        check=True,
    )
    os.set_blocking(shown, False)
    text = ""
    with contextlib.suppress(BlockingIOError):  # raised when all has been read
        while True:
            text += os.read(shown, 1 << 16).decode()
    os.close(terminal)
    os.close(shown)
    assert "Writing" in text
    assert "/s" in text
    assert b"Writing" not in done.stdout
