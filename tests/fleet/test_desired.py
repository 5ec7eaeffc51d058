"""Settings that the head office wants: merged, checked, applied, answered."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway import __version__
from gateway.api.server import serve_commands
from gateway.changed_settings import load_all_settings, write_changes
from gateway.desired_settings import PUSHABLE
from gateway.fleet import command_handler, desired_follower, link, presence
from gateway.fleet.documents import DesiredAnswer, Presence
from gateway.membership import find_member
from gateway.settings import FILE_SETTINGS, SECRET_SETTINGS, Settings
from tests.fleet.desired_shop import DesiredShop, for_shop
from tests.waiting import until


@for_shop(1)
async def test_the_narrower_document_wins_key_by_key_and_holds_without_the_head_office(shop: DesiredShop) -> None:
    await shop.start()
    revisions = {
        "chain": await shop.want("chain", {"settings": {"video": {"max_streams": 1}, "cameras": {"timeout_s": 7}}}),
        "south": await shop.want(
            "group.south", {"settings": {"video": {"max_streams": 3}, "outbox": {"max_bytes": 2097152}}}
        ),
        "east": await shop.want("group.east", {"settings": {"video": {"max_streams": 4}}}),
        "shop": await shop.want(
            "shop.shop-1", {"groups": ["south", "east"], "settings": {"outbox": {"max_bytes": "3145728"}}}
        ),
    }
    answers = await shop.answers(**revisions)
    assert {answer["outcome"] for answer in answers.values()} == {"pending"}
    assert "no call of a till" in answers["settings.video.max_streams"]["reason"]
    gateway = await shop.restart()
    assert await shop.outcomes(**revisions) == {
        "settings.video.max_streams": "applied",
        "settings.cameras.timeout_s": "applied",
        "settings.outbox.max_bytes": "applied",
    }
    settings = gateway.settings
    assert (settings.video.max_streams, settings.cameras.timeout_s, settings.outbox.max_bytes) == (4, 7, 3145728)
    assert shop.stored.trial is None
    await shop.stop()
    assert load_all_settings(shop.file).settings.video.max_streams == 4
    revision = await shop.want("group.east", {})  # told to a shop that is off: it reads it when it is back
    await shop.start()
    gateway = await shop.restart()
    assert (await shop.outcomes(east=revision))["settings.video.max_streams"] == "applied"
    assert gateway.settings.video.max_streams == 3
    async with shop.office.client() as client:
        for key in ("chain", "group.south", "group.east", "shop.shop-1"):
            await (await client.jetstream().key_value("desired")).delete(key)
    gateway = await shop.restart()
    while shop.stored.settings:  # it may have read while the documents went one by one
        gateway = await shop.restart()
    assert gateway.settings.video.max_streams == Settings().video.max_streams


@for_shop(9)
async def test_a_restart_waits_for_commands_and_none_is_begun_before_it(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handler, "ANSWER_WITHIN_S", 0.05)
    await shop.start()
    scan, short = ({"timeout_s": time_s, "methods": ["broadcast"]} for time_s in (2, 0.1))
    assert (await shop.office.command(shop.name, "discover", scan, id="long-scan"))["outcome"] == "running"
    revision = await shop.want("shop.shop-9", {"settings": {"video": {"max_streams": 1}}})
    await shop.answers(shop=revision)
    await until(lambda: shop.wants_restart)
    late = await shop.office.command(shop.name, "discover", short, id="late-scan")
    assert (late["outcome"], late["reason"]) == ("running", "the gateway is started again; this one waits")
    await shop.restart()
    assert (await shop.office.command(shop.name, "discover", scan, id="long-scan"))["outcome"] == "done"
    while (late := await shop.office.command(shop.name, "discover", short, id="late-scan"))["outcome"] == "running":
        await asyncio.sleep(0.05)
    assert late["outcome"] == "done"
    assert await shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}
    await shop.want("shop.shop-9", {})


@for_shop(8)
async def test_a_command_without_end_does_not_hold_up_a_restart_for_good(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handler, "ANSWER_WITHIN_S", 0.05)
    monkeypatch.setattr(desired_follower, "MAX_COMMANDS_S", 0.3)
    await shop.start()
    scan = {"timeout_s": 60, "methods": ["broadcast"]}
    await shop.office.command(shop.name, "discover", scan, id="long-scan")
    revision = await shop.want("shop.shop-8", {"settings": {"video": {"max_streams": 1}}})
    await shop.restart()
    assert (await shop.office.command(shop.name, "discover", scan, id="long-scan"))["outcome"] == "interrupted"
    assert await shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}
    await shop.want("shop.shop-8", {})


@for_shop(2)
async def test_what_may_not_be_set_is_refused_by_name_and_the_rest_holds(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__CAMERAS__TIMEOUT_S", "9")
    await shop.start()
    wanted = {
        "cloud": {"secret_key": "x", "base_url": "https://elsewhere.example", "shop_id": "7"},
        "storage": {"directory": "/x"},
        "fleet": {"people": True, "ca_file": "/x", "shop": "shop-3", "servers": []},
        "cameras": {"timeout_s": 3},
        "discovery": {"methods": ["telepathy"], "addresses": ["a b"]},
        "provisioning": {"password": "secret words"},
        "video": {"max_streams": 99, "color": "red"},
        "kitchen": {"oven": True},
        "outbox": {"max_bytes": {"a": 1}},
        "products": {"timezone": "Nowhere/At_all"},
    }
    revision = await shop.want("shop.shop-2", {"settings": wanted})
    await shop.restart()
    answers = await shop.settled(shop=revision)
    assert {part for part, answer in answers.items() if answer["outcome"] == "applied"} == {"settings.cloud.shop_id"}
    assert {answer["outcome"] for answer in answers.values()} == {"applied", "refused"}
    reasons = {part.removeprefix("settings."): answer["reason"] for part, answer in answers.items()}
    assert "secret" in reasons["cloud.secret_key"]
    assert "secret" in reasons["provisioning.password"]
    for name in ("cloud.base_url", "storage.directory", "fleet.people", "fleet.ca_file", "fleet.shop"):
        assert "in the shop alone" in reasons[name]
    assert "end the link" in reasons["fleet.servers"]
    assert "environment" in reasons["cameras.timeout_s"]
    assert "not a setting" in reasons["video.color"]
    assert "not a setting" in reasons["kitchen.oven"]
    assert reasons["video.max_streams"] == "must be less than or equal to 16"
    assert "time zone" in reasons["products.timezone"]
    assert set(shop.stored.settings) == {"cloud.shop_id"}
    await shop.want("shop.shop-2", {})


@for_shop(3)
async def test_a_poisoned_document_is_named_and_everything_stays(shop: DesiredShop) -> None:
    await shop.start()
    good = await shop.want("shop.shop-3", {"settings": {"video": {"max_streams": 1}}, "groups": ["poison"]})
    gateway = await shop.restart()
    await shop.settled(shop=good)
    before = shop.stored
    poison: dict[bytes, str] = {
        b"not JSON": "group.poison: ",
        b"": "",
        b"[]": "dictionary",
        b'{"settings":' + b"[" * 100_000: "group.poison: ",
        b'{"settings": {"video": 1}}': "settings.video: must be a valid dictionary",
        b'{"settings": {"video": {"max_streams": NaN}}}': "NaN",
        b'{"products": {"name": "x", "sha256": "../..", "size": 1, "parts": 1}}': "products.sha256",
        b'{"templates": {"../x": {}}}': "templates.../x",
        b'{"text": "%s"}' % (b"x" * 300_000): "is larger than 262144 bytes",
        b'{"groups": ["%s"]}' % (b"x" * 70): "groups.0",
        b'{"settings": {"video": {"%s": 1}}}' % (b"x" * 500): "longer",
        b'{"settings": {%s}}' % b",".join(b'"s%d": {"k": 1}' % number for number in range(600)): "more than 500",
    }
    for content, reason in poison.items():
        revision = await shop.want("group.poison", content)
        answers = await shop.answers(poison=revision)
        if content:
            assert set(answers) == {"document"}, content[:60]
            assert answers["document"]["outcome"] == "refused"
            assert reason in answers["document"]["reason"]
    assert shop.stored == before
    assert not shop.wants_restart
    revision = await shop.want("group.poison", {"colour": "red", "settings": {}})
    answers = await shop.answers(poison=revision)
    assert "does not know colour" in answers["document"]["reason"]
    assert answers["settings.video.max_streams"]["outcome"] == "applied"
    assert gateway.settings.video.max_streams == 1


@for_shop(4)
async def test_calls_of_tills_end_before_the_gateway_is_started_again(shop: DesiredShop) -> None:
    gateway = await shop.start()
    is_sent = asyncio.Event()

    async def send_slowly() -> AsyncIterator[bytes]:
        yield b'{"sn": '
        await is_sent.wait()
        yield b'"nobody"}'

    async with serve_commands(gateway) as till:
        json_type = {"Content-Type": "application/json"}
        call = asyncio.create_task(till.post("/api/v1/cameras", data=send_slowly(), headers=json_type))
        await until(lambda: gateway.changes_under_way.count)
        revision = await shop.want("shop.shop-4", {"settings": {"video": {"max_streams": 1}}})
        answers = await shop.answers(shop=revision)
        assert answers["settings.video.max_streams"]["outcome"] == "pending"
        assert shop.stored.settings == {"video.max_streams": 1}
        assert not shop.wants_restart
        is_sent.set()
        async with await call as response:
            assert response.status == 404
        await until(lambda: shop.wants_restart)
    await shop.restart()
    assert await shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}


@for_shop(5)
async def test_without_a_service_manager_it_holds_from_the_next_start_on(shop: DesiredShop) -> None:
    shop.restarts = False
    await shop.start()
    revision = await shop.want("shop.shop-5", {"settings": {"video": {"max_streams": 1}}})
    answers = await shop.answers(shop=revision)
    assert "do it by hand" in answers["settings.video.max_streams"]["reason"]
    await shop.stop()
    gateway = await shop.start()
    assert await shop.outcomes(shop=revision) == {"settings.video.max_streams": "applied"}
    assert gateway.settings.video.max_streams == 1


@for_shop(6)
async def test_what_holds_already_needs_no_restart(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-6", {"settings": {"video": {"max_streams": 2}}, "version": "9.9"})
    answers = await shop.answers(shop=revision)
    assert answers["settings.video.max_streams"]["outcome"] == "applied"
    assert "nothing here can install" in answers["version"]["reason"]
    assert (shop.stored.trial, shop.wants_restart) == (None, False)


@for_shop(6)
async def test_a_version_is_asked_for_until_it_is_installed(shop: DesiredShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desired_follower, "VERSION_INTERVAL_S", 0.01)
    gateway = await shop.start()
    asked: list[tuple[str, str]] = []

    async def install(version: str, revision: str, *, at_once: bool = False) -> DesiredAnswer:
        assert not at_once
        asked.append((version, revision))
        return DesiredAnswer(outcome="pending" if len(asked) < 3 else "rolled_back", reason="it does not start")

    gateway.want_version = install
    revision = await shop.want("shop.shop-6", {"version": "9.9"})
    assert (await shop.settled(shop=revision))["version"] == {"outcome": "rolled_back", "reason": "it does not start"}
    [(version, wanted)] = set(asked)
    assert version == "9.9"
    assert wanted.startswith(f"{find_member(gateway.settings.fleet)} shop.shop-6 {revision} ")
    revision = await shop.want("shop.shop-6", {"version": __version__})
    assert await shop.outcomes(shop=revision) == {"version": "applied"}


@for_shop(7)
async def test_a_new_cluster_that_says_nothing_takes_nothing_back(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-7", {"settings": {"video": {"max_streams": 1}}})
    await shop.restart()
    await shop.outcomes(shop=revision)
    async with shop.office.client() as client:
        await client.jetstream().purge_stream("KV_desired")
    await shop.stop()
    gateway = await shop.start()
    link = {report.name: report for report in gateway.supervisor.reports()}
    await until(lambda: link["head office settings"].state == "running")
    assert gateway.settings.video.max_streams == 1
    assert shop.stored.settings == {"video.max_streams": 1}


@for_shop(7)
async def test_while_another_gateway_has_the_certificate_nothing_is_followed(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "GONE_AFTER_S", 1.0)
    monkeypatch.setattr(link, "CHECK_INTERVAL_S", 0.05)
    gateway = await shop.start()
    other = Presence(instance="another one", host="copy", started="2026-11-29T00:00:00Z")
    async with shop.office.client("shop-7") as client:
        while gateway.fleet_link is None or gateway.fleet_link.status().cloned is None:
            await client.publish("fleet.v1.shop-7.present", shop.office.sign_presence("shop-7", other))
            await asyncio.sleep(0.05)
    revision = await shop.want("shop.shop-7", {"settings": {"video": {"max_streams": 7}}})
    while True:
        stored = shop.stored.settings
        if gateway.fleet_link.status().cloned is None:
            break
        assert stored == {}
        await asyncio.sleep(0.02)
    await shop.restart()
    assert (await shop.outcomes(shop=revision))["settings.video.max_streams"] == "applied"


@for_shop(8)
async def test_it_wins_over_the_console_only_as_long_as_there_is_a_link(shop: DesiredShop) -> None:
    write_changes(shop.state / "settings.toml", {("video", "max_streams"): 5, ("discovery", "interval_s"): 30})
    await shop.start()
    revision = await shop.want("shop.shop-8", {"settings": {"video": {"max_streams": 1}}})
    gateway = await shop.restart()
    await shop.outcomes(shop=revision)
    assert (gateway.settings.video.max_streams, gateway.settings.discovery.interval_s) == (1, 30)
    await shop.stop()
    text = shop.file.read_text()
    shop.file.write_text(text[: text.index("[fleet]")])
    assert load_all_settings(shop.file).settings.video.max_streams == 5


@for_shop(9)
async def test_a_damaged_file_is_set_aside_and_written_again(shop: DesiredShop) -> None:
    await shop.start()
    revision = await shop.want("shop.shop-9", {"settings": {"video": {"max_streams": 1}}})
    await shop.restart()
    await shop.outcomes(shop=revision)
    await shop.stop()
    file = shop.state / "head-office-settings.json"
    for content in (b"{", b"\xff", b'{"settings": {"storage.directory": "/x"}}', b'{"settings": 1}', b"[" * 5000):
        file.write_bytes(content)
        gateway = await shop.start()
        assert gateway.settings.video.max_streams == 2
        gateway = await shop.restart()
        assert gateway.settings.video.max_streams == 1
        await shop.outcomes(shop=revision)
        await shop.stop()
    assert len(list(shop.state.glob("head-office-settings.json.bad-*"))) == 5


def test_nothing_secret_and_nothing_that_decides_on_trust_may_be_pushed() -> None:
    pushable = {(one.section, one.key) for one in PUSHABLE.values()}
    assert not pushable & {*SECRET_SETTINGS, *FILE_SETTINGS}
    assert {key for section, key in pushable if section == "fleet"} == {"servers"}
    keys = {key for _, key in pushable}
    assert not any(key.endswith(("_file", "_url", "_hosts", "app_id")) for key in keys)
    assert not keys & {"hosts", "cors_origins", "vendor_addresses", "directory", "environment", "watch"}
    assert all(key in type(getattr(Settings(), section)).model_fields for section, key in pushable)
