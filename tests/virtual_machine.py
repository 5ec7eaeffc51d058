"""Virtual machines with the kernel of Debian: what to start one with."""

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def find_kernel() -> Path:
    """Return the folder with an unpacked Debian kernel package, or skip the test."""
    folder = os.environ.get("SUNMI_PROOF_KERNEL")
    if not folder:
        pytest.skip("SUNMI_PROOF_KERNEL names no unpacked Debian kernel; packaging/proofs.sh sets it")
    return Path(folder)


def find_image() -> Path:
    """Return the kernel itself."""
    return next((find_kernel() / "boot").glob("vmlinuz-*"))


def pack_initrd(folder: Path, modules: Sequence[str], init: str) -> Path:
    """Pack an initial file system: busybox, kernel modules in the order of their dependencies, and the init script."""
    installed = next((find_kernel() / "lib" / "modules").iterdir())
    files = {path.stem.replace("-", "_"): path for path in installed.rglob("*.ko")}
    order: list[Path] = []

    def add_module(name: str) -> None:
        path = files[name.replace("-", "_")]
        needed = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in filter(None, needed[1].decode().split(",") if needed else ()):
            add_module(other)
        if path not in order:
            order.append(path)

    for name in modules:
        add_module(name)
    tree = folder / "initial"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    for path in order:
        shutil.copy(path, tree / "modules")
    (tree / "modules" / "order").write_text("\n".join(path.name for path in order))
    (tree / "init").write_text(init)
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in tree.rglob("*"))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), capture_output=True, check=True
    )
    initrd = folder / "initrd.gz"
    initrd.write_bytes(gzip.compress(packed.stdout, 1))
    return initrd
