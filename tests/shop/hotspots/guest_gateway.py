"""The gateway in a virtual machine: says what it can do, sets cameras up through their hotspots, or stays in one.

    NAME set-up NUMBER …      all of it, camera after camera; goes on with what a killed process has left
    NAME stay NUMBER          joins the hotspot, and stays there until it is killed

Reads such commands as lines from a named pipe, and does each in a process of its own, forked from this one: to import
the gateway takes minutes there. A process writes lines of JSON to `NAME.log`, each with the seconds since the machine
was started; its number stands in `NAME.pid`, and `NAME.ended` is there when it has ended by itself.
"""

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.cameras.provisioning import ProvisioningJob, ProvisioningRequest
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.settings import load_settings
from gateway.shop.hotspots import Hotspot
from tests.shop.hotspots.guest_cameras import APP_ID, PASSWORD, SECRET_KEY, SSID, serial_number

SETTINGS = f"""
[storage]
directory = "{{folder}}/state"
[cameras]
app_id = "{APP_ID}"
secret_key = "{SECRET_KEY}"
[discovery]
methods = ["broadcast"]
"""


def report(what: str, **more: Any) -> None:
    print(json.dumps({"at": round(time.clock_gettime(time.CLOCK_BOOTTIME), 1), "what": what, **more}), flush=True)  # noqa: T201


async def find_hotspot(gateway: Gateway, number: int) -> Hotspot | None:
    for _ in range(3):
        found = await gateway.shop_parts.hotspots.scan()
        report("scanned", found=[one.ssid for one in found], signals=[one.signal for one in found])
        for hotspot in found:
            if hotspot.may_belong_to(f"04:12:24:E3:9A:0{number}"):
                return hotspot
    return None


async def set_up(gateway: Gateway, number: int) -> None:
    sn = serial_number(number)
    hotspot = await find_hotspot(gateway, number)
    if hotspot is None:  # it has the network already: the process before was killed after it had sent that
        job = await gateway.provisioning.start(sn, ProvisioningRequest())
        job = await gateway.provisioning.wait_until_ended(sn)
    else:
        request = ProvisioningRequest(
            ssid=SSID, password=PASSWORD, activation_number=f"number of {number}", confirm_erase=True,
            name=f"Door {number}",
        )  # fmt: skip
        await gateway.shop_parts.hotspot_set_up.start(hotspot.mac_digits, sn, request)
        job = await gateway.provisioning.wait_until_ended(sn)
    camera = gateway.registry.get(sn)
    report(
        "set up", number=number, state=job.state, detail=job.detail, name=camera.name, activation=camera.activation,
        address=camera.address, via_hotspot=job.via_hotspot,
    )  # fmt: skip


async def main(folder: Path, action: str, numbers: list[int]) -> None:
    file = folder / "gateway.toml"
    file.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
    file.chmod(0o600)
    gateway = await Gateway.open(load_settings(file))
    try:
        await work(gateway, action, numbers)
    finally:
        await gateway.close()
    report("ended")


async def work(gateway: Gateway, action: str, numbers: list[int]) -> None:
    steps: set[tuple[str, str]] = set()

    def report_step(job: ProvisioningJob) -> None:
        if (job.sn, job.step) not in steps:
            steps.add((job.sn, job.step))
            report(f"step {job.step}", sn=job.sn)

    gateway.provisioning.subscribe(report_step)
    report("started")
    support = await gateway.shop_parts.hotspots.describe()
    report("described", **asdict(support), interrupts_shop=support.interrupts_shop)
    checks = [check for check in CHECKS if check.name == "hotspots"]
    findings = await run_checks(CheckContext(gateway.settings, gateway), checks)
    report("doctor", findings=[finding.describe() for finding in findings])
    for number in numbers:
        if action == "set-up":
            await set_up(gateway, number)
            continue
        hotspot = await find_hotspot(gateway, number)
        assert hotspot is not None
        async with gateway.shop_parts.hotspots.join(hotspot) as joined:
            report("joined", address=joined.address)
            await asyncio.Event().wait()


def run_in_child(share: Path, folder: Path, name: str, action: str, *numbers: str) -> None:
    if os.fork():
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(share / f"{name}.log", os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    (share / f"{name}.pid").write_text(str(os.getpid()), encoding="ascii")
    try:
        asyncio.run(main(folder, action, [int(number) for number in numbers]))
    except BaseException:
        traceback.print_exc()
    (share / f"{name}.ended").touch()
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with os.fdopen(os.open(sys.argv[1], os.O_RDWR), encoding="ascii") as commands:
        for line in commands:
            run_in_child(Path(sys.argv[2]), Path(sys.argv[3]), *line.split())
