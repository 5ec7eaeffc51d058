"""What shops return to commands, as gateways do."""

import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from gateway.fleet.subjects import command_subject
from gateway.fleet_settings import CommandName
from tests.office_site.chain import TIME

BUNDLE: Final = b"a support bundle" * 1000
_ADDRESS: Final = {"address": "192.168.1.51:443", "interface": "eth0", "found_by": "mdns", "last_seen": TIME}
_CAMERA: Final = {
    "sn": "FM020A2300001", "managed": True, "address": "192.168.1.51:443", "addresses": [_ADDRESS],
    "mac": "0c:25:76:00:00:01", "model": "FM020", "name": "Entrance", "software_version": "1.2.6", "online": True,
    "activation": "activated", "certificate_sha256": "0b" * 32, "last_seen": TIME,
}  # fmt: skip
_STEPS: Final[list[dict[str, Any]]] = [
    {"name": "find", "state": "done", "reason": None, "detail": "it is at 192.168.1.51:443", "advice": "",
     "changed": False},
    {"name": "activate", "state": "failed", "reason": "no_internet", "detail": "the camera does not reach the internet",
     "advice": "Look at the store's router, then try again.", "changed": False},
]  # fmt: skip
_PLANNED: Final = {
    "row": 2, "sn": "FM020A2300001", "mac": None, "name": "Entrance", "place": "above the door",
    "settings": {"zoom": 120}, "activation_number": "********", "address": "192.168.1.51:443", "firmware": "1.2.6",
    "needs_card": False, "state": "failed", "steps": _STEPS,
}  # fmt: skip
RESULTS: Final[Mapping[CommandName, Mapping[str, Any]]] = {
    "doctor": {
        "findings": [
            {"check": "clock", "status": "ok", "what": "The clock is right.", "evidence": "", "what_to_do": ""},
            {"check": "disk", "status": "failed", "what": "No space left on device", "evidence": "0 of 8 GB are free",
             "what_to_do": "Delete something."},
            {"check": "labels", "status": "skipped", "what": "The shop has no labels.", "evidence": "",
             "what_to_do": ""},
        ]
    },
    "support_bundle": {
        "file": "sunmi-gateway-support.tar.gz", "sha256": hashlib.sha256(BUNDLE).hexdigest(),
        "base64": base64.b64encode(BUNDLE).decode(),
    },
    "discover": {
        "cameras": [_CAMERA, {**_CAMERA, "sn": "FM010A2300002", "name": "", "online": None, "activation": "unknown"}],
        "unidentified": [{"address": "192.168.1.77:443", "interface": "eth0", "found_by": "sweep",
                          "certificate_sha256": None}],
        "methods": {"broadcast": {"found": 2, "error": None},
                    "mdns": {"found": 0, "error": "Network is unreachable"}},
    },
    "camera_call": {"code": 1, "data": {"sn": "FM020A2300001", "ssid": "Shop", "wifi_list": ["Shop", "Guests"]}},
    "site_plan": {
        "state": "failed", "began_at": TIME, "ended_at": TIME,
        "wifi": {"ssid": "Shop", "hidden": False, "password": "********"}, "erases": 1,
        "counts": {"pending": 0, "running": 0, "waiting": 0, "done": 1, "failed": 1}, "ignored": [],
        "notes": [{"camera": "FM020A2300001", "text": "it has another name now"}],
        "firmware": [{"model": "FM020", "version": "1.2.6", "cameras": 2, "needs_card": False}],
        "cameras": [_PLANNED, {**_PLANNED, "row": 3, "sn": "FM010A2300002", "name": "Till", "state": "done",
                               "steps": [{**_STEPS[0]}]}],
    },
    "outbox_retry": {"retried": 12, "left": 1, "left_items": [{"outbox_id": "1042", "reason": "it is not refused"}]},
    "outbox_release": {"released": 3},
    "token_revoke": {"revoked": "till 1"},
    "update": {"runs": "1.4.1", "wanted": "1.5.0", "outcome": "pending", "reason": "it is being installed"},
}  # fmt: skip


@contextlib.asynccontextmanager
async def answer_commands(client: Client, shop: str, **results: Any) -> AsyncIterator[None]:
    """Let a shop return these results meanwhile, by command, else those of above."""

    async def answer(received: Msg) -> None:
        name = received.subject.rpartition(".")[2]
        result = results.get(name) or next(one for known, one in RESULTS.items() if known == name)
        response = {"id": json.loads(received.data)["id"], "outcome": "done", "result": result}
        await received.respond(json.dumps(response).encode())

    subscription = await client.subscribe(command_subject(shop), cb=answer)
    await client.flush()
    try:
        yield
    finally:
        await subscription.unsubscribe()
