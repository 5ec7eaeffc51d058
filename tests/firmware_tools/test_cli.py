"""The command line: output, messages and exit status."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.firmware_tools.conftest import COMMAND, ENVIRONMENT, MAC

RunSdcard = Callable[..., "subprocess.CompletedProcess[str]"]
IMAGE = ("image", "--mac", MAC, "--size", "32MiB")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_terminal_that_cannot_show_a_name(firmware_file: Path, tmp_path: Path, encoding: str) -> None:
    image = tmp_path / "\u56fa\u4ef6.img"
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": encoding}
    words = [*COMMAND, *IMAGE, "--firmware", str(firmware_file), str(image)]
    shown = subprocess.run(words, env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert b"??.img: card SUNMI-1B2C" in shown.stdout
    image.unlink()
    words = [*COMMAND, "--json", *IMAGE, "--firmware", str(firmware_file), str(image)]
    shown = subprocess.run(words, env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert json.loads(shown.stdout.decode("utf-8"))["image"] == str(image)


def test_image_verify_and_clean(
    run_sdcard: RunSdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path
) -> None:
    image = tmp_path / "card.img"
    made = run_sdcard(*IMAGE, "--firmware", firmware_file, "--model", "ss", "--version", "1.2.0-uat", image)
    assert made.returncode == 0
    assert made.stdout == f"{image}: card SUNMI-1B2C with firmware/ipc-up.bin, SHA-256 {firmware_sha256}\n"
    assert "of its own model (this is for FM010)" in made.stderr
    assert "of another version than it runs (this is 1.2.0-uat)" in made.stderr
    assert "the LED blinks red" in made.stderr
    good = run_sdcard("verify", "--mac", MAC, "--firmware", firmware_file, image)
    assert (good.returncode, good.stderr) == (0, "")
    assert "good" in good.stdout
    cleaned = run_sdcard("clean", image)
    assert (cleaned.returncode, cleaned.stdout) == (0, f"{image}: removed firmware/ipc-up.bin\n")
    bad = run_sdcard("verify", image)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == f"sunmi-sdcard: {image}: firmware: there is no firmware file on the card\n"


def test_json_output_is_one_document(
    run_sdcard: RunSdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path
) -> None:
    image = tmp_path / "card.img"
    made = run_sdcard("image", "--json", "--mac", MAC, "--size", "33554432", image, "--firmware", firmware_file)
    document = json.loads(made.stdout)
    assert document["image"] == str(image)
    assert (document["mac"], document["label"], document["mode"]) == (MAC, "SUNMI-1B2C", "update")
    assert (document["sha256"], document["firmware_size"]) == (firmware_sha256, 1_234_567)
    for arguments in (("verify", image, "--json"), ("--json", "verify", image)):
        verified = json.loads(run_sdcard(*arguments).stdout)
        assert (verified["good"], verified["fault"], verified["sha256"]) == (True, None, firmware_sha256)
        assert verified["record"]["mac"] == MAC
    bad = run_sdcard("verify", image, "--sha256", "0" * 64, "--json")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["good"] is False
    assert bad.stderr.count("\n") == 1
    assert json.loads(run_sdcard("clean", image, "--json").stdout)["removed"] == ["firmware/ipc-up.bin"]
    assert json.loads(run_sdcard("clean", image, "--json").stdout)["removed"] == []


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ((), "firmware/ipc-up.bin"),
        (("--mode", "update"), "firmware/ipc-up.bin"),
        (("--file-name", "ip-up.bin"), "firmware/ip-up.bin"),
        (("--mode", "recovery"), "up.bin"),
    ],
)
def test_the_mode_decides_the_path(
    run_sdcard: RunSdcard, firmware_file: Path, tmp_path: Path, options: tuple[str, ...], file: str
) -> None:
    image = tmp_path / "card.img"
    made = run_sdcard(*IMAGE, *options, "--firmware", firmware_file, image, "--json")
    assert json.loads(made.stdout)["file"] == file
    assert json.loads(run_sdcard("verify", image, "--json").stdout)["file"] == file
    assert ("ip-up.bin is the spelling" in made.stderr) is ("ip-up.bin" in options)


def test_files_can_be_given_in_order(
    run_sdcard: RunSdcard, firmware_file: Path, firmware_sha256: str, tmp_path: Path
) -> None:
    content, image = firmware_file.read_bytes(), tmp_path / "card.img"
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(content[:1000])
    two.write_bytes(content[1000:])
    made = run_sdcard(
        *IMAGE, "--firmware", one, "--firmware", two, image, "--json", "--sha256", firmware_sha256.upper()
    )
    assert json.loads(made.stdout)["sha256"] == firmware_sha256


INVALID_INPUT = [
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


@pytest.mark.parametrize(
    ("arguments", "fault"), INVALID_INPUT, ids=[f"{arguments[0]}: {fault}" for arguments, fault in INVALID_INPUT]
)
def test_invalid_input_is_reported_in_one_line_and_changes_nothing(
    run_sdcard: RunSdcard,
    firmware_file: Path,
    tmp_path: Path,
    working_folder: Path,
    arguments: tuple[str, ...],
    fault: str,
) -> None:
    before = firmware_file.read_bytes()
    paths = {"FW": str(firmware_file), "IMG": str(tmp_path / "new" / "card.img")}
    (tmp_path / "new").mkdir()
    failed = run_sdcard(*(paths.get(argument, argument) for argument in arguments))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert fault in failed.stderr
    assert failed.stderr.startswith("sunmi-sdcard: ")
    assert failed.stderr.count("\n") == 1
    assert list((tmp_path / "new").iterdir()) == []
    assert list(working_folder.iterdir()) == []
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
def test_wrong_usage_has_status_2(run_sdcard: RunSdcard, arguments: tuple[str, ...]) -> None:
    failed = run_sdcard(*arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "Usage:" in failed.stderr


def test_help_and_list(run_sdcard: RunSdcard, run_tool: Callable[..., str]) -> None:
    shown = run_sdcard("--help")
    assert shown.returncode == 0
    for name in ("list", "prepare", "image", "verify", "clean", "batch"):
        assert name in shown.stdout
        assert run_sdcard(name, "--help").returncode == 0
    run_tool("lsblk", "--version")
    for drive in json.loads(run_sdcard("list", "--json").stdout)["drives"]:
        assert {"name", "size", "bus", "offered", "reason"} <= set(drive)


def test_batch_writes_images_and_a_report(run_sdcard: RunSdcard, firmware_file: Path, tmp_path: Path) -> None:
    cards = tmp_path / "cards.csv"
    cards.write_text(f"mac,model,firmware\n{MAC},FM010,{firmware_file}\n")
    done = run_sdcard("batch", cards, "--images", tmp_path / "out", "--size", "32MiB", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["done"], document["failed"]) == (0, 1, 0)
    assert Path(document["report"]).is_file()


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Let a command heed Ctrl-C also where the tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
@pytest.mark.timeout(300)  # an interrupted command ends when the disk has synced what was written
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_command_leaves_the_old_image(tmp_path: Path, signal_number: signal.Signals) -> None:
    folder, firmware = tmp_path / "images", tmp_path / "large.bin"
    folder.mkdir()
    image = folder / "card.img"
    image.write_bytes(b"an older image")
    firmware.write_bytes(b"not all zeros")
    os.truncate(firmware, 40 << 30)  # enough to be interrupted
    arguments = ["image", "--mac", MAC, "--size", "64GB", "--firmware", str(firmware), str(image)]
    with subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        while len(list(folder.iterdir())) < 2:  # until the new image has been created
            assert process.poll() is None, "the command ended too early"
            time.sleep(0.01)
        process.send_signal(signal_number)
        _, stderr = process.communicate()
    if signal_number != signal.SIGKILL:
        assert process.returncode == 1
        assert stderr.startswith("sunmi-sdcard: stopped")
        assert stderr.count("\n") == 1
        assert list(folder.iterdir()) == [image]
    assert image.read_bytes() == b"an older image"


def test_progress_is_shown_on_a_terminal(firmware_file: Path, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *IMAGE, "--firmware", firmware_file, tmp_path / "card.img"],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # raised when the command has ended
            while chunk := os.read(controller, 1 << 16):
                shown += chunk
        stdout, _ = process.communicate()
    os.close(controller)
    assert process.returncode == 0
    assert b"Writing" in shown
    assert b"/s" in shown
    assert b"Writing" not in stdout
