"""A chain of hundreds of shops with reports, events, customers and a roll-out, for pictures and for browsers."""

import datetime
import json
import random
from collections.abc import Mapping

from nats.aio.client import Client

from gateway.fleet.commands import COMMANDS
from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import REPORTED, SHOPS, bucket_subject
from gateway.office.readers import add_reader
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollouts import start_rollout
from gateway.office_site.site import OfficeSite
from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import TIME, describe_state, send_event, send_flow
from tests.office_site.sample_results import answer_commands
from tests.waiting import until

CITIES = ("berlin", "bremen", "dresden", "essen", "kiel", "koeln", "leipzig", "mainz", "ulm", "weimar")
PATHS = (
    "", "shops/hamburg-1", "shops/hamburg-2", "shops/hamburg-1/commands/camera_call", "desired", "desired/chain",
    "rollouts", "push", "flow?group=north&with=south", "events", "enrol", "access", "audit",
    "readers", "../docs",
)  # fmt: skip
"""The pages that are looked at."""


async def fill(office: HeadOffice, count: int) -> None:
    """Put further shops, reports, events and customers to the servers."""
    choose = random.Random(1)
    today = datetime.datetime.now(datetime.UTC).date()
    async with office.client() as client:
        jetstream = client.jetstream()
        for number in range(count):
            shop = f"{CITIES[number % len(CITIES)]}-{number // len(CITIES) + 1}"
            record = ShopRecord(
                state="joined", title=f"Shop {number + 1}", groups=(choose.choice(("north", "south")),), since=TIME,
                public_key=f"U{number:055d}",
            )  # fmt: skip
            await jetstream.publish(bucket_subject(SHOPS, shop), record.model_dump_json().encode())
            await jetstream.publish(bucket_subject(REPORTED, shop), describe_state())
        answers = {
            "settings.discovery.interval_s": {"outcome": "applied", "reason": ""},
            "settings.outbox.max_bytes": {"outcome": "refused", "reason": "must be at least 1048576"},
        }
        desired = {"revisions": {"chain": 1}, "answers": answers, "time": TIME}
        await jetstream.publish(bucket_subject(REPORTED, "hamburg-2.desired"), json.dumps(desired).encode())
        finding = {"check": "disk", "status": "failed", "text": "The disk is full.", "advice": "Delete something."}
        findings = {"findings": [finding], "time": TIME}
        await jetstream.publish(bucket_subject(REPORTED, "hamburg-2.findings"), json.dumps(findings).encode())
        for number in range(12):
            await send_event(client, "hamburg-1", number, choose.choice(("camera.offline", "motion.detected")))
        for back in range(14):
            day = str(today - datetime.timedelta(days=back))
            for shop in ("hamburg-1", "hamburg-2", "munich-1"):
                await send_flow(client, shop, day, choose.randint(80, 400))


async def give_commands(site: OfficeSite, client: Client) -> list[str]:
    """Give every command to a shop that answers; return the paths of their pages."""
    given: Mapping[str, Mapping[str, str]] = {
        "camera_call": {"sn": "FM020A1", "endpoint": "device/getInfo"},
        "token_revoke": {"name": "till 1"},
    }
    async with answer_commands(client, "hamburg-1"):
        commands = site.view.commands
        runs = [commands.start(site.office, name, given.get(name, {}), ["hamburg-1"]) for name in COMMANDS]
        await until(lambda: all(one.is_over for one in runs))
    return [f"commands/{one.id}" for one in runs]


async def begin_rollout(site: OfficeSite) -> str:
    """Start to roll out a version; return its name."""
    await site.view.shops.refresh()
    await add_reader(site.office, "warehouse", mqtt=False)
    rollout = await start_rollout(
        site.office, site.view.shops, "version", {"version": "1.5.0"}, RolloutTarget(everyone=True),
        title="version 1.5.0",
    )  # fmt: skip
    await site.view.refresh_rollouts()
    return rollout.id
