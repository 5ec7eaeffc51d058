"""The script that puts the package into a memory card image leaves alone what is none."""

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
