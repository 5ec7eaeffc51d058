"""Tills: clients that hand orders to the gateway and insist, with the same key, until each is acknowledged."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.outbox.cloud import Version


@dataclass(slots=True)
class Shift:
    """What the tills of one run were promised, and what they saw."""

    acknowledged: dict[Version, float] = field(default_factory=dict)
    """When each order was acknowledged first (monotonic seconds)."""
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    """Attempts of which the outcome stayed unknown."""
    waits: list[float] = field(default_factory=list)
    """How long each answer took, in seconds."""
    surprises: list[str] = field(default_factory=list)
    full: int = 0
    """Attempts that were told that there is no room."""

    def summary(self) -> str:
        waits = sorted(self.waits) or [0.0]
        return (
            f"{len(self.acknowledged)} orders acknowledged, answers {dict(sorted(self.statuses.items()))}, "
            f"{self.broken} attempts cut off, longest answer {waits[-1]:.2f} s, median {waits[len(waits) // 2]:.4f} s"
        )


def order(version: Version, text: str = "") -> dict[str, Any]:
    """Return the order as a till sends it; `receipt_no` carries the version, `software_name` fills."""
    return {
        "order_no": version.order_no,
        "receipt_no": str(version.number),
        "order_type": 1 if version.number == 1 else 2,
        "received_amount": "12.80",
        "software_name": text,
        "product_list": [{"name": "Cola", "quantity": 1, "subtotal_amount": "12.80"}],
    }


class Till:
    """One client with one connection, one token and order numbers of its own."""

    def __init__(self, name: str, url: str, token: str, shift: Shift, *, pause_s: float = 0.02, text: str = "") -> None:
        self.name = name
        self.shift = shift
        self._url = url
        self._token = token
        self._pause_s = pause_s
        self._text = text
        self._dice = random.Random(name)
        self._latest: dict[str, int] = {}

    async def work(self, stop: asyncio.Event) -> None:
        """Hand over orders until told to stop; one that is under way then stays open."""
        headers = {"Authorization": f"Bearer {self._token}"}
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(self._url, headers=headers, timeout=timeout) as session:
            while not stop.is_set():
                await self._hand_over(session, self._next(), stop)
                await asyncio.sleep(self._dice.uniform(0, 2 * self._pause_s))

    def _next(self) -> Sequence[Version]:
        chance = self._dice.random()
        if self._latest and chance < 0.25:
            # A cancellation or exchange of a recent order: a newer version of the same number.
            number = self._dice.choice(list(self._latest)[-5:])
            return [Version(number, self._latest[number] + 1)]
        count = self._dice.randint(2, 5) if chance > 0.9 else 1
        return [Version(f"{self.name}-{len(self._latest) + index}", 1) for index in range(count)]

    async def _hand_over(
        self, session: aiohttp.ClientSession, versions: Sequence[Version], stop: asyncio.Event
    ) -> None:
        for version in versions:
            self._latest[version.order_no] = version.number
        headers = (
            {} if self._dice.random() < 0.5 else {"Idempotency-Key": str(uuid.UUID(int=self._dice.getrandbits(128)))}
        )
        wait = self._dice.choice((None, "0", "1"))
        if wait is not None:
            headers["Prefer"] = f"wait={wait}"
        body = json.dumps({"order_list": [order(version, self._text) for version in versions]})
        first = await self._insist(session, body, headers, stop)
        if first is None:
            return
        now = time.monotonic()
        for version in versions:
            self.shift.acknowledged.setdefault(version, now)
        if self._dice.random() < 0.05:
            again = await self._insist(session, body, headers, stop)
            if again and first.get("outbox_id") and again.get("outbox_id", first["outbox_id"]) != first["outbox_id"]:
                self.shift.surprises.append(f"a repeat became a new submission: {first} and {again}")

    async def _insist(
        self, session: aiohttp.ClientSession, body: str, headers: dict[str, str], stop: asyncio.Event
    ) -> dict[str, Any] | None:
        """Send until acknowledged; return the answer, or None when told to stop before that."""
        headers = {**headers, "Content-Type": "application/json"}
        while True:
            began = time.monotonic()
            try:
                async with session.post("/api/v1/cloud/order/update", data=body, headers=headers) as response:
                    answer = json.loads(await response.read())
                    status = response.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                self.shift.broken += 1
            else:
                self.shift.statuses[status] = self.shift.statuses.get(status, 0) + 1
                self.shift.waits.append(time.monotonic() - began)
                if status in (200, 202):
                    return dict(answer)
                if status == 507:
                    self.shift.full += 1
                else:
                    self.shift.surprises.append(f"{status}: {answer}")
                    return None
            if stop.is_set():
                return None
            await asyncio.sleep(0.05)
