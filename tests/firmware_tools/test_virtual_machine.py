"""Real drives: a virtual machine with the kernel of Debian, a card slot and USB readers, where cards are written.

Runs with FULL_PROOFS=1 only; SUNMI_PROOF_KERNEL names a folder with an unpacked Debian kernel package. The machine sees
the files of this computer read-only, and has no network; its drives are files of the test.
"""

import hashlib
import json
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.drives.linux import LSBLK_COLUMNS
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.size import MIB
from firmware_tools.verification import VerificationResult
from tests.firmware_tools.conftest import MAC, ROOT
from tests.virtual_machine import find_image, pack_initrd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODULES = ["virtio_pci", "9p", "9pnet_virtio", "sdhci-pci", "mmc_block", "xhci-pci", "usb-storage", "sd_mod", "exfat"]

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /host
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module || echo "$module failed"; done
sleep 3  # the drives appear
share=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o $share,ro,cache=loose host /host || poweroff -f
mount -t proc proc /host/proc; mount -t sysfs sys /host/sys; mount --bind /dev /host/dev
for folder in /run /media /mnt /srv; do mount -t tmpfs tmpfs /host$folder; done
mount -t 9p -o $share share /host{share} || poweroff -f
chroot /host /bin/sh {share}/steps.sh > /host{share}/steps.log 2>&1
sync
poweroff -f
"""

STEPS = """
cd {share}
export PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1 HOME=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin
step() {{ name=$1; shift; "$@" > $name.out 2> $name.err; echo $? > $name.status; }}
run() {{ name=$1; shift; step $name {python} -m firmware_tools "$@"; }}
card="--mac {mac} --firmware fw.bin --json --no-input"

# The kernel names the drives in the order in which they answer; their sizes tell which is which.
name_of() {{ lsblk --nodeps --noheadings --bytes --output NAME,SIZE | awk -v size=$1 '$2 == size {{ print $1 }}'; }}
usb=$(name_of {sizes[usb]}) protected=$(name_of {sizes[protected]}) slow=$(name_of {sizes[slow]})
echo $usb $protected $slow > names

run list list --json
step lsblk lsblk --json --bytes --output {columns}
run slot prepare $card --yes-erase mmcblk0 mmcblk0
blockdev --rereadpt /dev/mmcblk0; sleep 1
mkdir -p /mnt/card
step slot-mount mount -t exfat -o ro /dev/mmcblk0p1 /mnt/card
step slot-sum sha256sum /mnt/card/firmware/ipc-up.bin
step slot-label blkid -o value -s LABEL /dev/mmcblk0p1
umount /mnt/card

run usb prepare $card --yes-erase $usb --check-capacity $usb
blockdev --rereadpt /dev/$usb; sleep 1
mkdir -p /media/usb /srv/data
step usb-mount mount -t exfat /dev/${{usb}}1 /media/usb
step usb-sum sha256sum /media/usb/FIRMWARE/IPC-UP.BIN
run mounted-clean clean /dev/$usb
run unmounts prepare $card --yes-erase $usb $usb
step still-mounted grep -c /media/usb /proc/mounts
blockdev --rereadpt /dev/$usb; sleep 1
mount -t exfat /dev/${{usb}}1 /srv/data
run in-use prepare $card --yes-erase $usb $usb
umount /srv/data
run wrong-name prepare $card --yes-erase sdz $usb
run unasked prepare $card $usb
run cleaned clean --json /dev/$usb
run protected prepare $card --yes-erase $protected $protected
run pulled prepare $card --mode recovery --yes-erase $slow $slow &
pulled=$!
sleep 1
while [ $(awk -v drive=$slow '$3 == drive {{ print $10 }}' /proc/diskstats) -lt 12000 ]; do sleep 0.2; done
touch pull-now
wait $pulled
"""


def boot(folder: Path, share: Path, drives: dict[str, Path]) -> None:
    """Run the machine until it powers itself off; unplug the slow drive when the script asks for it."""
    control = folder / "control"
    initrd = pack_initrd(folder, MODULES, INIT.replace("{share}", str(share)))
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-smp", "2", "-nic", "none"]
    command += ["-display", "none", "-serial", f"file:{folder / 'console.log'}", "-no-reboot"]
    command += ["-qmp", f"unix:{control},server=on,wait=off", "-kernel", str(find_image())]
    command += ["-initrd", str(initrd), "-append", "console=ttyS0 quiet panic=-1"]
    for tag, path, options in (("host", "/", ",readonly=on,multidevs=remap"), ("share", share, "")):
        command += ["-fsdev", f"local,id={tag},path={path},security_model=none{options}"]
        command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    command += ["-device", "sdhci-pci", "-device", "qemu-xhci"]
    for name, path in drives.items():
        slow = ",throttling.bps-write=3000000" if name == "slow" else ""
        protected = ",readonly=on" if name == "protected" else ""
        command += ["-drive", f"if=none,id={name},file={path},format=raw{slow}{protected}"]
        device = "sd-card" if name == "slot" else "usb-storage,removable=on"
        command += ["-device", f"{device},drive={name},id=device-{name}"]
    with subprocess.Popen(command) as machine:
        deadline = time.monotonic() + 700
        pulled = False
        while machine.poll() is None:
            if time.monotonic() > deadline:
                machine.kill()
            if not pulled and (share / "pull-now").exists():
                unplug(control, "device-slow")
                pulled = True
            time.sleep(0.2)


def unplug(control: Path, device: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as lines:
        connection.settimeout(10)
        connection.connect(str(control))
        lines.readline()
        for request in ({"execute": "qmp_capabilities"}, {"execute": "device_del", "arguments": {"id": device}}):
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            lines.readline()


def write_used_card(path: Path, size: int) -> Path:
    """Write a card of random bytes."""
    with path.open("wb") as file:
        for seed in range(size // MIB):
            file.write(random.Random(seed).randbytes(MIB))
    return path


def verify(path: Path) -> VerificationResult:
    with open_block_device(path) as device:
        return verify_card(device, progress=NullProgress(), mac=Mac.parse(MAC))


def test_cards_in_real_drives(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    firmware = random.Random(30).randbytes(20_000_000)
    (share / "fw.bin").write_bytes(firmware)
    sizes = {"slot": 128 * MIB, "usb": 100 * MIB, "protected": 72 * MIB, "slow": 64 * MIB}
    drives = {name: write_used_card(tmp_path / f"{name}.img", size) for name, size in sizes.items()}
    protected = hashlib.sha256(drives["protected"].read_bytes()).digest()
    steps = STEPS.format(share=share, root=ROOT, python=sys.executable, mac=MAC, columns=LSBLK_COLUMNS, sizes=sizes)
    (share / "steps.sh").write_text(steps)
    boot(tmp_path, share, drives)

    def read_status(step: str) -> int:
        path = share / f"{step}.status"
        assert path.exists(), f"{step} was not reached:\n{(tmp_path / 'console.log').read_text()[-3000:]}"
        return int(path.read_text())

    def read_stdout(step: str) -> str:
        return (share / f"{step}.out").read_text()

    def read_stderr(step: str) -> str:
        return (share / f"{step}.err").read_text()

    usb, protected_name, slow = (share / "names").read_text().split()
    listed = {drive["name"]: drive for drive in json.loads(read_stdout("list"))["drives"]}
    print(json.dumps(listed, indent=1))  # noqa: T201
    assert {name: drive["offered"] for name, drive in listed.items()} == {
        "mmcblk0": True,
        usb: True,
        protected_name: False,
        slow: True,
    }
    assert (listed["mmcblk0"]["bus"], listed[usb]["bus"]) == ("mmc", "usb")
    assert "write-protected" in listed[protected_name]["reason"]
    sha256 = hashlib.sha256(firmware).hexdigest()
    for drive in ("slot", "usb"):
        assert read_status(drive) == 0, read_stderr(drive)
        assert json.loads(read_stdout(drive))["verified"] is True
        assert read_status(f"{drive}-mount") == 0, read_stderr(f"{drive}-mount")
        assert read_stdout(f"{drive}-sum").split()[0] == sha256, "Linux reads the card"
    assert read_stdout("slot-label").strip() == "SUNMI-1B2C"
    assert read_status("mounted-clean") == 1
    assert re.fullmatch(rf"sunmi-sdcard: /dev/{usb}: .*unmount it first\n", read_stderr("mounted-clean"))
    assert (read_status("unmounts"), read_stdout("still-mounted")) == (0, "0\n")
    assert (read_status("in-use"), "mounted at /srv/data" in read_stderr("in-use")) == (1, True)
    assert (read_status("wrong-name"), "--yes-erase sdz is not" in read_stderr("wrong-name")) == (1, True)
    assert (read_status("unasked"), "--no-input" in read_stderr("unasked")) == (1, True)
    assert json.loads(read_stdout("cleaned"))["removed"] == ["firmware/ipc-up.bin"]
    assert (read_status("protected"), "write-protected" in read_stderr("protected")) == (1, True)
    assert read_status("pulled") == 1
    assert read_stderr("pulled").count("\n") == 1, read_stderr("pulled")
    print(read_stderr("pulled"))  # noqa: T201

    result = verify(drives["slot"])
    assert (result.fault, result.sha256) == (None, sha256)
    assert verify(drives["usb"]).fault == "firmware: there is no firmware file on the card"
    fault = verify(drives["slow"]).fault
    assert fault is not None
    assert fault.startswith("incomplete: writing this card was broken off")
    assert hashlib.sha256(drives["protected"].read_bytes()).digest() == protected
