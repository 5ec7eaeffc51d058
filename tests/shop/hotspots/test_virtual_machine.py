"""Four sealed cameras and a shop: simulated radios, and the real NetworkManager, wpa_supplicant and hostapd.

Runs with FULL_PROOFS=1 only; SUNMI_PROOF_KERNEL names a folder with an unpacked Debian kernel package. The machine sees
the files of this computer read-only, and has no network but its radios. `SUNMI_PROOF_WIFI_SYSTEM` may name the image of
a Debian system that an earlier run has made.
"""

import json
import os
import re
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


class Share:
    """What the machine has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> str:
        path = self.folder / name
        assert path.exists(), f"{name} was not written:\n{(self.folder / 'guest.log').read_text()[-3000:]}"
        return path.read_text()

    def read_reports(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read(f"{name}.log").splitlines() if line.startswith("{")]

    def get_set_up(self, name: str) -> dict[int, dict[str, Any]]:
        """Return what came of each camera."""
        return {one["number"]: one for one in self.read_reports(name) if one["what"] == "set up"}

    def get_time(self, text: str) -> float:
        """Return when the machine's script wrote a line, in seconds since its start."""
        found = re.search(rf"^\[([0-9.]+)\] {re.escape(text)}$", self.read("guest.log"), re.MULTILINE)
        assert found is not None, self.read("guest.log")
        return float(found[1])


def test_four_sealed_cameras(tmp_path: Path, system: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    folder.chmod(0o777)
    boot(tmp_path, folder, system)
    share = Share(folder)
    share.get_time("end")

    first = share.read_reports("two")
    described = next(one for one in first if one["what"] == "described")
    assert (described["reason"], described["other_interfaces"], described["network"]) == ("", ["eth0"], "WeWork")
    doctor = next(one for one in first if one["what"] == "doctor")
    assert [finding["status"] for finding in doctor["findings"]] == ["ok"]
    scanned = next(one for one in first if one["what"] == "scanned")
    assert sorted(scanned["found"]) == [f"SUNMI_9A0{number}" for number in (1, 2, 3, 4)]
    alone = next(one for one in share.read_reports("alone") if one["what"] == "described")
    assert (alone["other_interfaces"], alone["interrupts_shop"]) == ([], True)

    set_up = share.get_set_up("two") | share.get_set_up("alone") | share.get_set_up("resumed")
    for number in (1, 2, 3, 4):
        camera = set_up[number]
        assert (camera["state"], camera["activation"], camera["name"]) == ("done", "activated", f"Door {number}")
        assert camera["via_hotspot"]
        assert camera["address"].startswith("10.9.0.")
    assert "wlan0:connected:SUNMI_9A03" in share.read("in-hotspot")
    assert share.get_set_up("killed") == {}

    before = share.read("state-before")
    for moment in ("after-two", "after-kill", "after"):
        assert share.read(f"state-{moment}") == before, moment
    killed = share.get_time("kill -9 of stay")
    print_figures(share, killed)


def print_figures(share: Share, killed: float) -> None:
    left, back = (share.get_time(text) - killed for text in ("out of the hotspot", "back in the shop"))
    print(f"killed in a hotspot: out of it after {left:.0f} s, back in the shop after {back:.0f} s")  # noqa: T201
    for name in ("two", "alone"):
        reports = share.read_reports(name)
        for number, done in share.get_set_up(name).items():
            sn = f"FS101D8BS{number:05}"
            times = {one["what"]: one["at"] for one in reports if one.get("sn") == sn}
            scanned = max(one["at"] for one in reports if one["what"] == "scanned" and one["at"] < done["at"])
            wifi, end = times["step rejoin"] - scanned, done["at"] - scanned
            print(f"camera {number}: {wifi:.0f} s from the search until it had the Wi-Fi, {end:.0f} s until it works")  # noqa: T201
    print(f"the whole: {share.get_time('end') - share.get_time('cameras are ready'):.0f} s")  # noqa: T201
