"""The outbox against a model of its policy: whatever is handed over in whatever order, fates and cloud are the same."""

import asyncio
import copy
import os
import sys
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.errors import Conflict
from tests.outbox_model.lab import LABELS, SHOP_ID, TEMPLATES, Lab
from tests.outbox_model.policy import Item, Policy, Submission

FULL: Final = os.environ.get("FULL_PROOFS") == "1"
EXAMPLES, STEPS = (1500, 60) if FULL else (20, 30)

T = TypeVar("T")
ORDERS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 2)), min_size=1, max_size=2, unique_by=lambda o: o[0])
FIELDS = st.dictionaries(st.sampled_from(("name", "unit")), st.sampled_from(("", "x", "y")), max_size=2)
PRODUCTS = st.sampled_from("778")
BY_PRODUCT = st.dictionaries(PRODUCTS, FIELDS, min_size=1, max_size=2)
TOKENS = st.sampled_from(("till 1", "till 2"))
KEYS = st.sampled_from((None, None, None, "k1", "k2"))
LABEL = st.sampled_from(LABELS)
TEMPLATE = st.sampled_from(TEMPLATES)
CALM, STORMY, AWAY, REFUSING = "calm", "stormy", "away", "refusing"
STORMS = (
    {"kind": "drop"},
    {"kind": "reset_before"},
    {"kind": "status", "status": 503},
    {"kind": "garbage"},
    *({"kind": "reset_after", "path": path} for path in ("order/update", "product/create", "product/delete")),
)


class Machine(RuleBasedStateMachine):
    lab: Lab
    runner: asyncio.Runner
    count: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.policy = Policy()
        self.repeats = False
        self.do(self.lab.begin())

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    def teardown(self) -> None:
        """Let everything arrive in the end, unless something is wrong already."""
        try:
            if sys.exc_info()[0] is None:
                self.drain(CALM, [])
                self.fates_are_the_same()
                self.the_cloud_holds_the_same()
        finally:
            self.do(self.lab.end())

    @property
    def now_s(self) -> float:
        return self.lab.uptime.now()

    def submit(
        self,
        path: str,
        parts: list[tuple[tuple[str, ...], Any]],
        arguments: dict[str, Any],
        token: str,
        key: str | None,
    ) -> None:
        """Hand a call over; `parts` are its items, each with its keys and what is in it."""
        self.count["calls handed over"] += 1
        policy, call, now_s = self.policy, (path, parts), self.now_s
        repeated = policy.repeated(token, key, call)
        if repeated is False:
            with pytest.raises(Conflict):
                self.do(self.lab.submit(path, arguments, token, key))
            return
        known = [policy.known(path, keys[0], value) if key is None else None for keys, value in parts]
        same = {one.submission if one and one.token == token else None for one in known}
        if repeated is None and len(same) == 1 and (whole := next(iter(same))) is not None:
            numbers = [one.number for one in known if one]
            if policy.submissions[whole].members == numbers:
                repeated = policy.submissions[whole]
        name, members = self.do(self.lab.submit(path, arguments, token, key))
        for one in known:
            if one is not None and one.state == "refused":
                one.state = "waiting"
        if isinstance(repeated, Submission):
            assert members == repeated.members
            return
        last = max(policy.items, default=0)
        fresh = [number for number, one in zip(members, known, strict=True) if one is None]
        assert [one.number for one in known if one] == [one for one in members if one not in fresh]
        assert fresh == sorted(fresh)
        assert not fresh or fresh[0] > last
        submission = int(name.removeprefix("s"))
        given = (token, key) if key else None
        policy.submissions[submission] = Submission(fresh, members, now_s, given, call)
        expires_s = now_s + 60 if path == "device/esl/flashLed" else None
        for number, (keys, value) in zip(members, parts, strict=True):
            if number in fresh:
                policy.add(Item(number, path, keys, value, submission, token, expires_s), now_s)

    @rule(orders=ORDERS, token=TOKENS, key=KEYS)
    def hand_over_orders(self, orders: list[tuple[str, int]], token: str, key: str | None) -> None:
        given = [{"order_no": number, "version": version} for number, version in orders]
        parts: list[Any] = [((f"order:{one['order_no']}",), one) for one in given]
        self.submit("order/update", parts, {"order_list": given}, token, key)

    @rule(products=BY_PRODUCT, key=KEYS)
    def create_products(self, products: dict[str, dict[str, str]], key: str | None) -> None:
        self.change(products, key, create=True)

    @rule(changes=st.lists(BY_PRODUCT, min_size=1, max_size=3), key=KEYS)
    def update_products(self, changes: list[dict[str, dict[str, str]]], key: str | None) -> None:
        for products in changes:
            self.change(products, key, create=False)

    def change(self, products: dict[str, dict[str, str]], key: str | None, *, create: bool) -> None:
        named = {"name": "new"} if create else {}
        given = [{"id": one, **fields, **(named if not fields.get("name") else {})} for one, fields in products.items()]
        parts: list[Any] = [((f"product:{one['id']}",), one) for one in given]
        self.submit(f"product/{'create' if create else 'update'}", parts, {"product_list": given}, "till 1", key)

    @rule(products=st.lists(PRODUCTS, min_size=1, max_size=2, unique=True), key=KEYS)
    def delete_products(self, products: list[str], key: str | None) -> None:
        parts: list[Any] = [((f"product:{one}",), one) for one in products]
        self.submit("product/delete", parts, {"product_key_list": products}, "till 1", key)

    @rule(product=PRODUCTS, template=TEMPLATE, key=KEYS)
    def change_template(self, product: str, template: str, key: str | None) -> None:
        given = {"product_id": product, "template_id": template}
        self.submit("product/updateTemplate", [((f"product:{product}",), given)], given, "till 1", key)

    @rule(label=LABEL, product=PRODUCTS, template=TEMPLATE, key=KEYS)
    def bind(self, label: str, product: str, template: str, key: str | None) -> None:
        given = {"esl_id": label, "product_id": product, "template_id": template}
        self.submit("product/bindEsl", [((f"label:{label}", f"product:{product}"), given)], given, "till 1", key)

    @rule(label=LABEL)
    def unbind(self, label: str) -> None:
        self.submit("product/unbindEsl", [((f"label:{label}",), {"esl_id": label})], {"esl_id": label}, "till 1", None)

    @rule(label=LABEL, picture=st.sampled_from("ab"), key=KEYS)
    def push_picture(self, label: str, picture: str, key: str | None) -> None:
        given = {"esl_id": label, "pic": picture}
        self.submit("device/esl/pushImage", [((f"label:{label}",), picture)], given, "till 1", key)

    @rule(label=LABEL, channel=st.integers(1, 2))
    def flash(self, label: str, channel: int) -> None:
        given = {"esl_id": label, "channel": channel}
        self.submit("device/esl/flashLed", [((f"flash:{label}",), str(channel))], given, "till 1", None)

    @rule()
    def drain_in_calm(self) -> None:
        self.drain(CALM, [])

    @rule(
        weather=st.sampled_from((AWAY, REFUSING, AWAY, REFUSING, STORMY)),
        storm=st.lists(st.sampled_from(STORMS), max_size=2),
    )
    def drain_in_weather(self, weather: str, storm: list[dict[str, Any]]) -> None:
        self.drain(weather, storm)

    def drain(self, weather: str, storm: list[dict[str, Any]]) -> None:
        """Let the relay work; without any expectation of how it puts items together while the cloud fails."""
        self.policy.expire(self.now_s)
        if weather == STORMY and not self.same_one_by_one():
            weather = CALM
        self.count[f"{weather} drains"] += 1
        if weather == AWAY:
            self.do(self.lab.fail_to_drain())
            return
        faults = self.lab.cloud.faults
        if weather == STORMY:
            self.repeats = True
            for one in storm:
                faults.add(**one)
        if weather == REFUSING:
            faults.add("refuse", path="order/update", code=5047, times=None)
        self.do(self.lab.drain())
        faults.clear()
        self.policy.drain(self.now_s, refusing="order/update" if weather == REFUSING else "")

    def same_one_by_one(self) -> bool:
        """Tell whether it makes no difference which updates are sent together."""
        together, apart = copy.deepcopy(self.policy), copy.deepcopy(self.policy)
        together.drain(0)
        apart.drain(0, merging=False)
        return vars(together) == vars(apart)

    @precondition(lambda self: self.policy.items)
    @rule(data=st.data(), likely=st.booleans())
    def retry(self, data: st.DataObject, likely: bool) -> None:
        self.revive(self.choose(data, "retry", likely=likely), edited=False)

    @precondition(lambda self: self.policy.items)
    @rule(data=st.data(), likely=st.booleans())
    def edit(self, data: st.DataObject, likely: bool) -> None:
        self.revive(self.choose(data, "edit", likely=likely), edited=True)

    @precondition(lambda self: self.policy.items)
    @rule(data=st.data(), likely=st.booleans())
    def drop_one(self, data: st.DataObject, likely: bool) -> None:
        self.drop(self.choose(data, "drop", likely=likely))

    def choose(self, data: st.DataObject, action: str, *, likely: bool) -> Item:
        """Choose an item for what a person may do to some; others too, for which that must be refused."""
        self.count[f"tries to {action}"] += 1
        every = list(self.policy.items.values())
        dead = [one for one in every if one.state in ("refused", "expired")]
        return data.draw(st.sampled_from(dead if dead and likely else every))

    def drop(self, item: Item) -> None:
        what = self.lab.outbox.drop([item.number])
        if item.state == "delivered":
            with pytest.raises(Conflict):
                self.do(what)
        else:
            self.do(what)
            self.policy.remove(item)

    def revive(self, item: Item, *, edited: bool) -> None:
        edited = edited and item.path in ("order/update", "product/update")
        value = {**item.value, "name": "edited"} if edited else item.value
        name = "order_list" if item.path == "order/update" else "product_list"
        what = (
            self.lab.edit(item.number, item.path, {name: [value]}) if edited else self.lab.outbox.retry([item.number])
        )
        if item.state not in ("refused", "expired") or self.policy.undone(item):
            with pytest.raises(Conflict):
                self.do(what)
            return
        self.do(what)
        item.state, item.value = "waiting", value
        item.expires_s = self.now_s + 60 if item.path == "device/esl/flashLed" else None

    @rule()
    def tidy_up_after_days(self) -> None:
        self.restart(9 * 86400.0)
        self.prune()

    @rule(seconds=st.sampled_from((0.0, 25.0, 100.0, 9 * 86400.0)))
    def restart(self, seconds: float) -> None:
        self.count["restarts"] += 1
        self.do(self.lab.restart(seconds))

    @rule()
    def prune(self) -> None:
        self.do(self.lab.outbox.prune())
        self.policy.prune(self.now_s)

    @invariant()
    def fates_are_the_same(self) -> None:
        entries = self.do(self.lab.entries())
        assert [(one.sequence, one.state) for one in entries] == [
            (one.number, one.state) for one in sorted(self.policy.items.values(), key=lambda one: one.number)
        ]
        assert self.lab.outbox.depth == len(self.policy.waiting())

    @invariant()
    def the_cloud_holds_the_same(self) -> None:
        shop, held = self.policy.shop, self.lab.cloud.state.shops[SHOP_ID]
        assert held.products == shop.products
        assert {one.esl_id: (one.product_id, one.template_id) for one in held.labels.values() if one.product_id} == (
            shop.labels
        )
        request_paths, expected = self.lab.request_paths(), shop.request_paths
        if self.repeats:
            request_paths, expected = (
                {key: once(all_) for key, all_ in found.items()} for found in (request_paths, expected)
            )
        assert request_paths == expected


def once(request_paths: list[Any]) -> list[Any]:
    """Leave out what came twice in a row: its first answer was lost."""
    return [one for index, one in enumerate(request_paths) if not index or request_paths[index - 1] != one]


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 600)
def test_the_outbox_does_as_the_model(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        lab = Lab(tmp_path)
        runner.run(lab.open())
        Machine.lab, Machine.runner, Machine.count = lab, runner, Counter()
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    derandomize=not FULL,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(lab.close())
    told = ", ".join(f"{count} {what}" for what, count in sorted(Machine.count.items()))
    print(f"the outbox and its model: the same in {EXAMPLES} histories of up to {STEPS} steps ({told})")  # noqa: T201  shown with the proofs
