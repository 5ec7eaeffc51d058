"""Sealed cameras in a virtual machine, each in a network namespace with a radio of its own: `cam1`, `cam2` and so on.

A camera that is told to join the shop's Wi-Fi takes its hotspot down and joins by wpa_supplicant, with the password
that it was given. Takes the names of the Wi-Fi interfaces, of which each belongs to one camera. Runs in a `chroot`,
from which it calls the programs of the machine itself. Writes `ready N` for each camera.
"""

import asyncio
import ctypes
import os
import subprocess
import sys

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.camera_state import SimulatedAccessPoint
from gateway.simulator.discovery import DiscoveryResponder

SSID, PASSWORD = "WeWork", "shop-secret"
APP_ID, SECRET_KEY = "EF3OG8R5B32X0", "kdsofkdsnflke9382938k"
_CLONE_NEWNET = 0x40000000


def serial_number(number: int) -> str:
    return f"FS101D8BS{number:05}"


def run_outside(command: str) -> str:
    """Run a command with the files of the machine itself."""
    outside = ["chroot", "/proc/1/root", "/bin/sh", "-c", command]
    return subprocess.run(outside, check=True, capture_output=True, text=True, timeout=120).stdout


async def play(number: int, interface: str) -> None:
    def join(camera: SimulatedCamera, ssid: str) -> str:
        config = f"/run/station{number}.conf"
        password = camera.state.config.password
        network = f'network={{\n ssid="{ssid}"\n psk="{password}"\n}}\n'
        with open(config, "w", encoding="utf-8") as file:
            file.write(network)
        run_outside(
            f"kill $(cat /run/hostapd{number}.pid /run/dnsmasq{number}.pid); ip addr flush dev {interface};"
            f"ip link set {interface} down; iw dev {interface} set type managed; ip link set {interface} up;"
            f"wpa_supplicant -B -i {interface} -c {config} >/run/station{number}.log;"
            f"busybox udhcpc -q -n -t 40 -T 1 -i {interface} -s /run/udhcpc.sh >>/run/station{number}.log 2>&1"
        )
        found = run_outside(f"ip -4 -o addr show dev {interface}").split()
        return found[3].partition("/")[0]

    camera = SimulatedCamera(
        sn=serial_number(number), model="FM020", mac=f"04:12:24:E3:9A:0{number}", host="192.168.200.1", port=443,
        app_id=APP_ID, secret_key=SECRET_KEY, activation_number=f"number of {number}", hotspot=True,
        wifi_networks=[SimulatedAccessPoint(SSID, "WPA-PSK")], wifi_passwords={SSID: PASSWORD}, on_wifi=join,
    )  # fmt: skip
    await camera.start()
    responder = DiscoveryResponder([camera])
    await responder.start()
    print("ready", number, flush=True)  # noqa: T201
    await asyncio.Event().wait()


def main() -> None:
    for number, interface in enumerate(sys.argv[1:], 1):
        if os.fork() == 0:
            namespace = os.open(f"/run/netns/cam{number}", os.O_RDONLY)
            assert ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) == 0
            asyncio.run(play(number, interface))
    while True:
        os.wait()


if __name__ == "__main__":
    main()
