"""Fixtures for firmware cards: a firmware, images, the command, other programs, loop devices."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.image import write_image
from tests.forking import run_program

MAC = "0C:25:76:0A:1B:2C"
MIB = 1 << 20
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "firmware_tools"]
MountImage = Callable[..., AbstractContextManager[Path]]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def full_proofs() -> bool:
    """Return whether slow proofs run with their full counts."""
    return os.environ.get("FULL_PROOFS") == "1"


@pytest.fixture
def mac() -> Mac:
    return Mac.parse(MAC)


@pytest.fixture
def firmware_file(tmp_path: Path) -> Path:
    """Write a firmware of random bytes and odd length."""
    path = tmp_path / "FM010-1.2.0-release.bin"
    path.write_bytes(random.Random(20).randbytes(1_234_567))
    return path


@pytest.fixture
def firmware_sha256(firmware_file: Path) -> str:
    return hashlib.sha256(firmware_file.read_bytes()).hexdigest()


@pytest.fixture
def make_image(tmp_path: Path, firmware_file: Path) -> Callable[..., Path]:
    """Write the image of a card: `make_image(size=…, path=…, firmware=…, name=…, mac=…)`."""

    def make(
        size: int = 32 * MIB,
        path: FirmwarePath = FirmwarePath.UPDATE,
        firmware: Path | None = None,
        name: str = "card.img",
        mac: str = MAC,
    ) -> Path:
        image = tmp_path / name
        spec = CardSpec(Mac.parse(mac), path)
        write_image(image, size, spec, load_firmware([firmware or firmware_file]), progress=NullProgress())
        return image

    return make


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """Make the empty folder in which `run_sdcard` runs the command."""
    path = tmp_path / "working folder"
    path.mkdir()
    return path


@pytest.fixture
def run_sdcard(working_folder: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the command: `run_sdcard("verify", image)`."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        environment = {"PYTHONPATH": str(ROOT)}
        return run_program("firmware_tools", *map(str, arguments), environment=environment, folder=working_folder)

    return run


@pytest.fixture
def run_tool() -> Callable[..., str]:
    """Run another program and return what it prints; skip the test if it is not installed."""

    def run(name: str, *arguments: object, stdin: str = "") -> str:
        program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            pytest.skip(f"{name} is not installed")
        done = subprocess.run([program, *map(str, arguments)], input=stdin.encode(), capture_output=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout.decode(errors="replace")

    return run


@pytest.fixture
def attach_loop_device(run_tool: Callable[..., str]) -> Iterator[Callable[..., Path]]:
    """Attach a file as a block device: `attach_loop_device(path, "--offset", …)`; skip the test without root."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    attached: list[str] = []

    def attach(path: Path, *options: str) -> Path:
        attached.append(run_tool("losetup", "--find", "--show", *options, path).strip())
        return Path(attached[-1])

    yield attach
    for device in attached:
        run_tool("losetup", "--detach", device)


@pytest.fixture
def mount_fuse(tmp_path: Path, run_tool: Callable[..., str], attach_loop_device: Callable[..., Path]) -> MountImage:
    """Mount the volume of an image with exfat-fuse, an independent writer of exFAT: `mount_fuse(image, offset=…)`."""
    mount_point = tmp_path / "mounted"
    mount_point.mkdir()

    @contextmanager
    def mount(image: Path, offset: int = 4 << 20) -> Iterator[Path]:
        run_tool("mount.exfat-fuse", attach_loop_device(image, "--offset", str(offset)), mount_point)
        try:
            yield mount_point
        finally:
            run_tool("umount", mount_point)

    return mount


collect_ignore = [] if os.environ.get("FULL_PROOFS") == "1" else ["test_virtual_machine.py"]
"""The virtual machine needs a kernel to boot, which `packaging/proofs.sh` brings."""
