"""What pages show that no event tells: a mark that changes with it, which open pages get with each heartbeat.

A page fetches its part again when the mark differs from the last one, so that a page in a quiet shop fetches nothing.
"""

import json
import time
import zlib
from dataclasses import dataclass
from typing import Final

from gateway.app import Gateway
from gateway.console.camera_report import OFFLINE_ALARM_S
from gateway.console.camera_search import CameraSearch
from gateway.console.examination import Examination

_EVENT: Final = "state"


@dataclass(frozen=True)
class LiveState:
    """What pages show that no event tells."""

    gateway: Gateway
    """The gateway that they show."""
    examination: Examination
    """What the doctor found last."""
    camera_search: CameraSearch
    """The search for cameras that a person started last."""

    def make_heartbeat(self) -> bytes:
        """Return the message of the event stream that has the mark, and the age of the doctor's findings."""
        age_s = self.examination.age_s
        data = json.dumps({"mark": self.compute_mark(), "examined_s": None if age_s is None else round(age_s, 1)})
        return f"event: {_EVENT}\ndata: {data}\n\n".encode()

    def make_home_heartbeat(self) -> bytes:
        """Return the same, and have the doctor look again if its findings are out of date: somebody looks at them."""
        self.examination.start_if_out_of_date(self.gateway)
        return self.make_heartbeat()

    def compute_mark(self) -> str:
        """Return a text that is another one when pages would show something else, ages aside."""
        gateway = self.gateway
        answered_since = time.monotonic() - OFFLINE_ALARM_S
        shown = (
            [(one.check, one.status, one.what) for one in self.examination.findings],
            self.camera_search.ended_at,
            [
                (one.sn, one.online, one.was_scanned, (one.seen_at or 0.0) > answered_since)
                for one in gateway.registry.all()
            ],
            gateway.outbox.depth,
            # What draws takes much memory: it is there only where somebody has labels.
            gateway.labels.updater.failures.count if "labels" in vars(gateway) else 0,
            gateway.cloud.reachable,
            gateway.shop.run_record.state,
        )
        return f"{zlib.crc32(repr(shown).encode('utf-8', 'replace')):08x}"
