"""Four sealed cameras and a shop: simulated radios, and the real NetworkManager, wpa_supplicant and hostapd.

Runs with FULL_PROOFS=1 only; SUNMI_PROOF_KERNEL names a folder with an unpacked Debian kernel package. The machine sees
the files of this computer read-only, and has no network but its radios. `SUNMI_PROOF_WIFI_SYSTEM` may name the image of
a Debian system that an earlier run has made.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.virtual_machine import find_image, find_kernel, pack_initrd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]
MODULES = [
    "virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "9p", "9pnet_virtio", "bridge", "veth", "ccm", "ctr", "gcm",
    "cmac", "mac80211_hwsim",
]  # fmt: skip
PACKAGES = (
    "udev", "dbus", "iw", "hostapd", "dnsmasq-base", "wpasupplicant", "network-manager", "polkitd", "busybox-static",
    "iproute2", "procps",
)  # fmt: skip
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /new
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
  options=; [ $module = mac80211_hwsim.ko ] && options=radios=6
  insmod /modules/$module $options || echo "$module failed"
done
mount -t ext4 /dev/vda /new || poweroff -f
mkdir -p /new/host
share=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o $share,ro,cache=loose host /new/host || poweroff -f
mount -t 9p -o $share share /new/host{share} || poweroff -f
for folder in proc sys dev; do mount --move /$folder /new/$folder; done
cat > /new/start <<END
mkdir -p {share} && mount --bind /host{share} {share}
sh /host{root}/tests/shop/hotspots/guest.sh {share} {root} {python} > {share}/guest.log 2>&1
sync
busybox poweroff -f
END
exec switch_root /new /bin/sh /start
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Make a disk with Debian, NetworkManager and what makes access points."""
    find_kernel()
    made = os.environ.get("SUNMI_PROOF_WIFI_SYSTEM")
    if made:
        return Path(made)
    tree, image = tmp_path / "tree", tmp_path / "system.img"
    packages = f"--include={','.join(PACKAGES)}"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", str(tree)], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(image), "800M"], check=True)
    shutil.rmtree(tree)
    return image


def boot(folder: Path, share: Path, system: Path) -> None:
    """Run the machine until it powers itself off."""
    init = INIT.format(share=share, root=ROOT, python=sys.executable)
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "1536", "-smp", "2", "-nic", "none"]
    command += ["-display", "none", "-serial", f"file:{folder / 'console.log'}", "-no-reboot"]
    command += ["-kernel", str(find_image()), "-initrd", str(pack_initrd(folder, MODULES, init))]
    command += ["-append", "console=ttyS0 quiet panic=-1"]
    command += ["-drive", f"if=virtio,file={system},format=raw,snapshot=on"]
    for tag, path, options in (("host", "/", ",readonly=on,multidevs=remap"), ("share", share, "")):
        command += ["-fsdev", f"local,id={tag},path={path},security_model=none{options}"]
        command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    subprocess.run(command, check=True, timeout=1700)


def read_reports(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
