"""What the tests of firmware cards share: firmware, images, the command, other people's readers of exFAT."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_tools.card import Card, CardFile
from firmware_tools.firmware import load_firmware
from firmware_tools.image import write_image
from firmware_tools.mac import Mac
from firmware_tools.progress import Unseen

MAC = "0C:25:76:0A:1B:2C"
MIB = 1 << 20


@pytest.fixture
def full() -> bool:
    """Whether slow proofs run with their full counts."""
    return os.environ.get("FULL_PROOFS") == "1"


@pytest.fixture
def mac() -> Mac:
    return Mac.parse(MAC)


@pytest.fixture
def firmware_file(tmp_path: Path) -> Path:
    """Bytes that look like nothing in particular, of an odd length."""
    path = tmp_path / "FM010-1.2.0-release.bin"
    path.write_bytes(random.Random(20).randbytes(1_234_567))
    return path


@pytest.fixture
def firmware_sha256(firmware_file: Path) -> str:
    return hashlib.sha256(firmware_file.read_bytes()).hexdigest()


@pytest.fixture
def write(tmp_path: Path, firmware_file: Path) -> Callable[..., Path]:
    """Write the image of a card: `write(size=…, file=…, firmware=…, name=…, mac=…)`."""

    def written(
        size: int = 32 * MIB,
        file: CardFile = CardFile.UPDATE,
        firmware: Path | None = None,
        name: str = "card.img",
        mac: str = MAC,
    ) -> Path:
        image = tmp_path / name
        card = Card(Mac.parse(mac), file)
        write_image(image, size, card, load_firmware([firmware or firmware_file]), progress=Unseen())
        return image

    return written


@pytest.fixture
def sdcard(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the command in an empty folder: `sdcard("verify", image)`."""
    here = tmp_path / "here"
    here.mkdir()

    def run(*arguments: object, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "firmware_tools", *map(str, arguments)],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


@pytest.fixture
def tool() -> Callable[..., str]:
    """Run another program and return what it prints; skip where it is not installed."""

    def run(name: str, *arguments: object) -> str:
        program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            pytest.skip(f"{name} is not installed")
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=50, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout.decode(errors="replace")

    return run


@pytest.fixture
def loop_device(tool: Callable[..., str]) -> Iterator[Callable[..., Path]]:
    """Attach a file of the test as a block device: `loop_device(path, offset=…)`; needs root."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    attached: list[str] = []

    def attach(path: Path, *options: str) -> Path:
        attached.append(tool("losetup", "--find", "--show", *options, path).strip())
        return Path(attached[-1])

    yield attach
    for device in attached:
        tool("losetup", "--detach", device)


collect_ignore = [] if os.environ.get("FULL_PROOFS") == "1" else ["test_virtual_machine.py"]
"""The virtual machine needs a kernel to boot, which `packaging/proofs.sh` brings."""
