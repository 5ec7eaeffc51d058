"""Who uses a drive: asked of the kernel and of fstab, with real mounts in mount namespaces of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from firmware_tools.drives.drive import Drive
from firmware_tools.drives.linux import parse_lsblk
from firmware_tools.drives.system_use import ExpectedMount, SystemUse, is_in_use, parse_fstab
from tests.firmware_tools.conftest import ENVIRONMENT, MIB
from tests.firmware_tools.test_drives import read_lsblk

NOTHING = SystemUse({})
ASK = (
    "import json; from firmware_tools.drives.system_use import SystemUse;"
    " print(json.dumps(dict(SystemUse.read().devices)))"
)


def list_pi(mount_point: str | None = None, use: SystemUse = NOTHING) -> dict[str, Drive]:
    """List the drives of a Pi with a card `CAMERA` in a reader, of which none exists on this machine."""
    text = read_lsblk("pi-from-card").replace("/dev/sda", "/dev/none-sda").replace("/dev/mmcblk", "/dev/none-mmcblk")
    listed = json.loads(text)
    for disk in listed["blockdevices"]:
        for part in disk["children"]:
            part["mountpoints"] = [mount_point] if mount_point and part["name"] == "sda1" else [None]
    return {drive.name: drive for drive in parse_lsblk(json.dumps(listed), system_use=use)}


@pytest.mark.parametrize(
    "source",
    [
        "UUID=3134-6162",
        'UUID="3134-6162"',
        "LABEL=CAMERA",
        "/dev/none-sda1",
    ],
)
def test_what_fstab_mounts_is_not_offered(source: str) -> None:
    line = f"# a comment\n\n{source} /mnt/back\\040up exfat noauto,nofail 0 0\n"
    use = SystemUse({}, tuple(parse_fstab(line)))
    assert list_pi()["sda"].is_offered
    assert list_pi(use=use)["sda"].refusal == (
        "line 3 of /etc/fstab mounts it at /mnt/back up: take a card that is not listed there"
    )


def test_lines_of_fstab_for_other_drives_do_not_matter() -> None:
    lines = "proc /proc proc\nUUID=3134-6163 /data ext4\nLABEL=camera /x exfat\nLABEL= /y\n/dev/sdz1 none swap\nshort\n"
    assert list_pi(use=SystemUse({}, tuple(parse_fstab(lines))))["sda"].is_offered


def test_the_disk_that_the_kernel_was_started_from_is_not_offered() -> None:
    use = SystemUse({}, (ExpectedMount("UUID=FC7A1F9E-4967-4f41-a1f5-1b5927e6c5f9", "the system started from it"),))
    assert list_pi()["mmcblk0"].is_offered, "its mounts cannot be seen"
    assert list_pi(use=use)["mmcblk0"].refusal == "the system started from it"


def test_a_device_below_an_overlay_is_not_offered() -> None:
    use = SystemUse({"8:1": "the running system is on it (a layer of / lies at /media/root-ro)"})
    assert "a layer of /" in str(list_pi("/media/root-ro", use)["sda"].refusal)


@pytest.mark.parametrize("mount_point", ["/mnt/backup", "/mnt/sysroot/active", "/mnt/data", "/srv/data"])
def test_only_what_was_mounted_as_a_removable_medium_is_offered(mount_point: str) -> None:
    refusal = list_pi(mount_point)["sda"].refusal
    assert refusal is not None
    assert f"it is mounted at {mount_point}" in refusal
    assert "unmount it" in refusal


def test_a_user_who_cannot_ask_the_kernel_is_told_so_where_layers_are_hidden() -> None:
    refusal = list_pi(use=SystemUse({}, has_hidden_layers=True))["sda"].refusal
    assert refusal is not None
    assert "run the command as root" in refusal


@pytest.fixture
def loop_disk(tmp_path: Path, attach_loop_device: Callable[..., Path], run_tool: Callable[..., str]) -> Path:
    """Attach a disk with an ext4 file system, with room for an overlay."""
    image = tmp_path / "disk.img"
    image.touch()
    os.truncate(image, 32 * MIB)
    run_tool("mkfs.ext4", "-q", "-F", image)
    return attach_loop_device(image)


@pytest.fixture
def run_in_namespace(tmp_path: Path, run_tool: Callable[..., str]) -> Callable[..., AbstractContextManager[str]]:
    """Run a script in a mount namespace of its own until the context is left, and give the line that it prints."""
    run_tool("unshare", "--mount", "true")

    @contextmanager
    def run(script: str, *arguments: object) -> Iterator[str]:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f"{script}\nread line", "sh"]
        with subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip()
            finally:
                process.communicate("go on\n")

    return run


OVERLAY = """
mkdir -p media/root-ro rw merged
mount "$1" media/root-ro
mount -t tmpfs tmpfs rw
mkdir rw/upper rw/work
folder=$(pwd)
mount -t overlay overlay -o "lowerdir=$folder/media/root-ro,upperdir=$folder/rw/upper,workdir=$folder/rw/work" merged
"""


def device_number(path: Path) -> str:
    number = path.stat().st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


def test_the_layers_of_an_overlay_are_found(
    run_in_namespace: Callable[..., AbstractContextManager[str]], loop_disk: Path, tmp_path: Path
) -> None:
    with run_in_namespace(f"{OVERLAY}\n{sys.executable} -c '{ASK}'", loop_disk) as printed:
        reasons = json.loads(printed)
    assert reasons[device_number(loop_disk)] == (
        f"the running system is on it (a layer of {tmp_path}/merged lies at {tmp_path}/media/root-ro)"
    )


def test_a_drive_whose_file_is_attached_as_another_drive_is_in_use(
    run_in_namespace: Callable[..., AbstractContextManager[str]], loop_disk: Path
) -> None:
    script = f"""
    mkdir -p stick
    mount "$1" stick
    truncate -s 8M stick/root.img
    loop=$(losetup --find --show stick/root.img)
    trap 'losetup --detach "$loop"' EXIT
    {sys.executable} -c '{ASK}'
    """
    with run_in_namespace(script, loop_disk) as printed:
        reasons = json.loads(printed)
    assert "root.img on it is in use as a drive of its own" in reasons[device_number(loop_disk)]


@pytest.mark.parametrize("script", [OVERLAY + "umount -l media/root-ro", 'mkdir -p hidden\nmount "$1" hidden'])
def test_a_disk_that_is_mounted_where_it_cannot_be_seen_is_not_offered(
    run_in_namespace: Callable[..., AbstractContextManager[str]], loop_disk: Path, script: str
) -> None:
    text = read_lsblk("pi-from-card").replace('"/dev/sda"', f'"{loop_disk}"').replace("/dev/sda1", "/dev/none-sda1")
    text = text.replace('"/media/pi/CAMERA"', "null")

    def find_refusal() -> str | None:
        return parse_lsblk(text, system_use=NOTHING)[0].refusal

    assert (is_in_use(str(loop_disk)), find_refusal()) == (False, None)
    with run_in_namespace(f"{script}\necho ready", loop_disk) as printed:
        assert printed == "ready"
        assert is_in_use(str(loop_disk)) is True
        assert find_refusal() == (
            "sda is in use, although it is mounted nowhere that can be seen: the running system may be on it"
        )
        assert parse_lsblk(text, system_use=NOTHING, is_held=True)[0].is_offered, "we hold it ourselves"


def test_what_cannot_be_asked_is_unknown() -> None:
    assert is_in_use("/dev/none") is None
