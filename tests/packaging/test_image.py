"""The script that puts the package into a memory card image leaves alone what is none, and makes room once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "customise-image.sh"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sfdisk") is None, reason="needs root, and sfdisk")
@pytest.mark.parametrize("content", [b"a text\n", bytes(3_000_000)], ids=["a text", "an empty disk"])
def test_what_is_no_image_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    file, package = tmp_path / "file", tmp_path / "package.deb"
    file.write_bytes(content)
    package.write_bytes(b"")
    run = subprocess.run(["bash", str(SCRIPT), str(file), str(package)], capture_output=True, text=True, check=False)
    assert (run.returncode, "is no image of a memory card" in run.stderr) == (1, True)
    assert file.read_bytes() == content


def _needs_devices() -> bool:
    return os.geteuid() != 0 or not Path("/dev/loop-control").exists() or shutil.which("resize2fs") is None


@pytest.mark.skipif(_needs_devices(), reason="needs root, loop devices, and e2fsprogs")
@pytest.mark.parametrize("is_installed", [False, True])
def test_an_image_grows_once_and_only_if_there_is_no_room(tmp_path: Path, is_installed: bool) -> None:
    """The image has a root partition without programs, so the script ends when it has made room."""
    image, package, root = tmp_path / "card.img", tmp_path / "package.deb", tmp_path / "root"
    package.write_bytes(b"")
    known = root / "var" / "lib" / "dpkg" / "info"
    known.mkdir(parents=True)
    if is_installed:
        (known / "sunmi-gateway.list").write_text("")
    with image.open("wb") as file:
        file.truncate(400 << 20)
    table = "label: dos\nstart=2048, size=32768, type=c\nstart=34816, type=83\n"
    subprocess.run(["sfdisk", "--quiet", str(image)], input=table, text=True, check=True)
    offset = "offset=17825792"
    subprocess.run(["mkfs.ext4", "-q", "-d", str(root), "-E", offset, str(image), "380m"], check=True)
    sizes = []
    for _ in range(3):
        run = subprocess.run(
            ["bash", str(SCRIPT), str(image), str(package)], capture_output=True, text=True, check=False
        )
        assert (run.returncode, "cannot run the programs" in run.stderr) == (1, True), run.stderr
        sizes.append(image.stat().st_size)
    assert sizes[1:] == [sizes[0]] * 2
    assert (sizes[0] == 400 << 20) == is_installed
    if not is_installed:
        assert sizes[0] < 1600 << 20
