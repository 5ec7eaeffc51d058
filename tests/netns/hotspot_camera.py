"""A simulated camera with two radios' worth of interfaces: `ap0` is its own hotspot, `wlan0` the store's network.

Takes its serial number and its address in the store. When it joins, it takes the hotspot down and the other up; when
it could not join, the hotspot comes back. Writes `ready`, and each call that arrived, as lines.
"""

import asyncio
import subprocess
import sys

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.discovery import DiscoveryResponder

HOTSPOT = "192.168.200.1"


async def play(sn: str, address: str) -> None:
    def join(camera: SimulatedCamera, ssid: str) -> str:
        subprocess.run(["ip", "link", "set", "ap0", "down"], check=True, timeout=60)
        subprocess.run(["ip", "link", "set", "wlan0", "up"], check=True, timeout=60)
        return address

    camera = SimulatedCamera(
        sn=sn, model="FM020", mac=f"04:12:24:E3:45:{address[-2:]}", host=HOTSPOT, port=443, app_id="EF3OG8R5B32X0",
        secret_key="kdsofkdsnflke9382938k", activation_number=f"number of {sn}", hotspot=True,
        wifi_passwords={"SunmiStore": "plenty-of-coffee"}, on_wifi=join,
    )  # fmt: skip
    await camera.start()
    responder = DiscoveryResponder([camera])
    await responder.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], sys.argv[2]))
