"""Real drives: a virtual machine with Debian's kernel, a card slot and USB readers, where cards are made and mounted.

Runs with FULL_PROOFS=1 only; SUNMI_PROOF_KERNEL names a folder with an unpacked Debian kernel package. The machine sees
this computer's files read-only, has no network, and its drives are files of the test.
"""

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_tools.drives.linux import LSBLK_COLUMNS
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import Findings, verify_card

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
MAC = "0C:25:76:0A:1B:2C"
MIB = 1 << 20
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

run list list --json
step lsblk lsblk --json --bytes --output {columns}
run slot prepare $card --yes-erase mmcblk0 mmcblk0
blockdev --rereadpt /dev/mmcblk0; sleep 1
mkdir -p /mnt/card
step slot-mount mount -t exfat -o ro /dev/mmcblk0p1 /mnt/card
step slot-sum sha256sum /mnt/card/firmware/ipc-up.bin
step slot-label blkid -o value -s LABEL /dev/mmcblk0p1
umount /mnt/card

run usb prepare $card --yes-erase sda --check-capacity sda
blockdev --rereadpt /dev/sda; sleep 1
mkdir -p /media/usb /srv/data
step usb-mount mount -t exfat /dev/sda1 /media/usb
step usb-sum sha256sum /media/usb/FIRMWARE/IPC-UP.BIN
run mounted-clean clean /dev/sda
run unmounts prepare $card --yes-erase sda sda
step still-mounted grep -c /media/usb /proc/mounts
blockdev --rereadpt /dev/sda; sleep 1
mount -t exfat /dev/sda1 /srv/data
run in-use prepare $card --yes-erase sda sda
umount /srv/data
run wrong-name prepare $card --yes-erase sdz sda
run unasked prepare $card sda
run cleaned clean --json /dev/sda
run protected prepare $card --yes-erase sdb sdb
run pulled prepare $card --mode recovery --yes-erase sdc sdc &
pulled=$!
sleep 1
while [ $(awk '$3 == "sdc" {{ print $10 }}' /proc/diskstats) -lt 12000 ]; do sleep 0.2; done
touch pull-now
wait $pulled
"""


def kernel() -> Path:
    folder = os.environ.get("SUNMI_PROOF_KERNEL")
    if not folder:
        pytest.skip("SUNMI_PROOF_KERNEL names no unpacked Debian kernel; packaging/proofs.sh sets it")
    return Path(folder)


def initial_files(folder: Path, share: Path) -> Path:
    """Pack an initial file system: busybox, the modules in the order of their dependencies, and the first script."""
    modules = next((kernel() / "lib" / "modules").iterdir())
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    order: list[Path] = []

    def load(name: str) -> None:
        path = files[name.replace("-", "_")]
        needed = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in filter(None, needed[1].decode().split(",") if needed else ()):
            load(other)
        if path not in order:
            order.append(path)

    for name in MODULES:
        load(name)
    tree = folder / "initial"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    for path in order:
        shutil.copy(path, tree / "modules")
    (tree / "modules" / "order").write_text("\n".join(path.name for path in order))
    (tree / "init").write_text(INIT.replace("{share}", str(share)))
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in tree.rglob("*"))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), capture_output=True, check=True
    )
    initrd = folder / "initrd.gz"
    initrd.write_bytes(gzip.compress(packed.stdout, 1))
    return initrd


def boot(folder: Path, share: Path, drives: dict[str, Path]) -> None:
    """Run the machine until it powers itself off; pull out the slow drive when the steps say so."""
    image = next((kernel() / "boot").glob("vmlinuz-*"))
    control = folder / "control"
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-smp", "2", "-nic", "none"]
    command += ["-display", "none", "-serial", f"file:{folder / 'console.log'}", "-no-reboot"]
    command += ["-qmp", f"unix:{control},server=on,wait=off", "-kernel", str(image)]
    command += ["-initrd", str(initial_files(folder, share)), "-append", "console=ttyS0 quiet panic=-1"]
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
        deadline = time.monotonic() + 300
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


def image(path: Path, size: int) -> Path:
    """Make a used card."""
    with path.open("wb") as file:
        for seed in range(size // MIB):
            file.write(random.Random(seed).randbytes(MIB))
    return path


def verified(path: Path) -> Findings:
    with open_medium(path) as medium:
        return verify_card(medium, progress=Unseen(), mac=Mac.parse(MAC))


def test_cards_in_real_drives(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    firmware = random.Random(30).randbytes(20_000_000)
    (share / "fw.bin").write_bytes(firmware)
    sizes = {"slot": 128 * MIB, "usb": 100 * MIB, "protected": 64 * MIB, "slow": 64 * MIB}
    drives = {name: image(tmp_path / f"{name}.img", size) for name, size in sizes.items()}
    protected = hashlib.sha256(drives["protected"].read_bytes()).digest()
    steps = STEPS.format(share=share, root=ROOT, python=sys.executable, mac=MAC, columns=LSBLK_COLUMNS)
    (share / "steps.sh").write_text(steps)
    boot(tmp_path, share, drives)

    def status(step: str) -> int:
        path = share / f"{step}.status"
        assert path.exists(), f"{step} was not reached:\n{(tmp_path / 'console.log').read_text()[-3000:]}"
        return int(path.read_text())

    def out(step: str) -> str:
        return (share / f"{step}.out").read_text()

    def said(step: str) -> str:
        return (share / f"{step}.err").read_text()

    listed = {drive["name"]: drive for drive in json.loads(out("list"))["drives"]}
    print(json.dumps(listed, indent=1))  # noqa: T201
    assert {name: drive["offered"] for name, drive in listed.items()} == {
        "mmcblk0": True,
        "sda": True,
        "sdb": False,
        "sdc": True,
    }
    assert (listed["mmcblk0"]["bus"], listed["sda"]["bus"]) == ("mmc", "usb")
    assert "write-protected" in listed["sdb"]["reason"]
    sha256 = hashlib.sha256(firmware).hexdigest()
    for drive in ("slot", "usb"):
        assert status(drive) == 0, said(drive)
        assert json.loads(out(drive))["verified"] is True
        assert status(f"{drive}-mount") == 0, said(f"{drive}-mount")
        assert out(f"{drive}-sum").split()[0] == sha256, "Linux reads the card"
    assert out("slot-label").strip() == "SUNMI-1B2C"
    assert status("mounted-clean") == 1
    assert re.fullmatch(r"sunmi-sdcard: /dev/sda: .*unmount it first\n", said("mounted-clean"))
    assert (status("unmounts"), out("still-mounted")) == (0, "0\n")
    assert (status("in-use"), "mounted at /srv/data" in said("in-use")) == (1, True)
    assert (status("wrong-name"), "--yes-erase sdz is not" in said("wrong-name")) == (1, True)
    assert (status("unasked"), "--no-input" in said("unasked")) == (1, True)
    assert json.loads(out("cleaned"))["removed"] == ["firmware/ipc-up.bin"]
    assert (status("protected"), "write-protected" in said("protected")) == (1, True)
    assert status("pulled") == 1
    assert said("pulled").count("\n") == 1, said("pulled")
    print(said("pulled"))  # noqa: T201

    findings = verified(drives["slot"])
    assert (findings.fault, findings.sha256) == (None, sha256)
    assert verified(drives["usb"]).fault == "firmware: there is no firmware file on the card"
    fault = verified(drives["slow"]).fault
    assert fault is not None
    assert fault.startswith("incomplete: writing this card was broken off")
    assert hashlib.sha256(drives["protected"].read_bytes()).digest() == protected
