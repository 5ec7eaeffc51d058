"""Running checks: all of them, in order, bounded in time, and none of them stops another."""

import asyncio
from typing import Any

import pytest

from gateway.doctor.check import Check, CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.settings import Settings


async def good(_: CheckContext) -> list[Finding]:
    return [Finding("ok", "fine"), Finding("warning", "but")]


async def broken(_: CheckContext) -> list[Finding]:
    raise RuntimeError("with a secret inside")


async def endless(context: CheckContext) -> list[Finding]:
    await context.share("endless", lambda: asyncio.sleep(3600))
    return []


async def test_findings_come_in_the_order_of_the_checks() -> None:
    checks = [Check("endless", endless, 0.2), Check("good", good), Check("broken", broken)]
    before = asyncio.all_tasks()
    found = await run_checks(CheckContext(Settings(), None), checks)
    assert [(one.check, one.status) for one in found] == [
        ("endless", "warning"), ("good", "ok"), ("good", "warning"), ("broken", "warning"),
    ]  # fmt: skip
    assert "0 s" in found[0].what
    assert "with a secret inside" not in str(found)
    assert asyncio.all_tasks() <= before, "nothing goes on afterwards"  # what earlier tests have left may end


async def test_what_several_checks_need_is_done_once() -> None:
    done: list[int] = []

    async def work() -> int:
        done.append(1)
        await asyncio.sleep(0)
        return len(done)

    async def look(context: CheckContext) -> list[Finding]:
        return [Finding("ok", str(await context.share("work", work)))]

    found = await run_checks(CheckContext(Settings(), None), [Check("a", look), Check("b", look)])
    assert [one.what for one in found] == ["1", "1"]
    assert done == [1]


@pytest.mark.parametrize("check", [check for check in CHECKS if check.needs_gateway], ids=lambda check: check.name)
async def test_without_a_gateway_a_check_that_needs_one_is_skipped(check: Any) -> None:
    [found] = await run_checks(CheckContext(Settings(), None), [check])
    assert found.status == "skipped"
