"""The pages of the API reference: whole, offline, in two languages, and with examples that run."""

import asyncio
import html
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from firmware_tools.language import Language
from gateway.api.docs.reference import ApiReference
from gateway.app import Gateway
from gateway.errors import list_problem_types
from gateway.events.webhooks.attempt import create_secret, sign_body
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.event_type import EVENT_TYPES
from gateway.simulator.camera import SimulatedCamera
from tests.api.conftest import Rest
from tests.api_document import build_gateway_document
from tests.each import for_each

MAX_PAGE_BYTES = 300_000
DOCUMENT = build_gateway_document()
REFERENCE = ApiReference(lambda: DOCUMENT)
PAGES = ["", "event-types", "problems", *REFERENCE.sections]


def render(page: str, language: Language = Language.ENGLISH) -> str:
    return REFERENCE.render(page, language, "http://192.168.1.10")


async def read(session: aiohttp.ClientSession, path: str, **headers: str) -> str:
    async with session.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.text()


def find_article(page: str, name: str) -> str:
    """Return the part of a page about one thing."""
    found = re.search(rf'<article id="{re.escape(name)}".*?</article>', page, re.DOTALL)
    assert found is not None, name
    return found[0]


def find_example(page: str, operation: str, language: str, *, stream: bool = False) -> str:
    """Return the code of an example as a person copies it."""
    article = find_article(page, operation)
    group = f"{'stream' if stream else 'example'}-{operation}"
    pattern = rf'<details name="{group}"[^>]*><summary>{language}</summary>.*?<code>(.*?)</code>'
    found = re.search(pattern, article, re.DOTALL)
    assert found is not None, (operation, language)
    return html.unescape(found[1])


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_light_and_needs_nothing_from_elsewhere(page: str, language: Language) -> None:
    text = render(page, language)
    assert len(text.encode()) < MAX_PAGE_BYTES
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert {one for one in addresses if not one.startswith(("/docs", "#", "/openapi.json"))} == set()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", text), "the policy forbids what is inline"
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert "gateway.invalid" not in text


def test_the_pages_are_whole() -> None:
    operations = {
        one["operationId"]: path
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
        if method != "parameters"
    }
    shown = {operation.id: page for page, group in REFERENCE.sections.items() for operation in group}
    assert set(shown) == set(operations)
    index = render("")
    for operation, page in shown.items():
        assert f'href="/docs/{page}#{operation}"' in index
        assert f'<article id="{operation}">' in render(page)


def test_each_type_of_event_is_shown_with_its_members_and_an_example() -> None:
    page = render("event-types")
    for name in EVENT_TYPES:
        article = find_article(page, name)
        [example] = re.findall(r"<code>(\{.*?)</code>", article, re.DOTALL)
        event = json.loads(html.unescape(example))
        assert event["type"] == name
        assert all(f'<code class="name">{member}</code>' in article for member in event["data"])


def test_each_code_of_problems_says_what_it_means_and_what_to_do() -> None:
    page = render("problems")
    for problem in list_problem_types():
        article = html.unescape(re.sub(r"<.*?>", "", find_article(page, problem.code)))
        assert problem.title in article
        assert problem.advice.replace("`", "") in article


def test_nested_members_are_shown() -> None:
    order = find_article(render("cloud-order"), "cloud_order_update")
    for name in ("order_list", "order_no", "product_list", "quantity", "invalid_list"):
        assert f'<code class="name">{name}</code>' in order


async def test_a_problem_leads_to_its_section(session: aiohttp.ClientSession, pos: Rest) -> None:
    for path, code in (("/api/v1/nothing", "not_found"), ("/api/v1/tokens", "forbidden")):
        problem = (await pos("GET", path)).body
        assert problem["type"] == f"/docs/problems#{code}"
        page, _, anchor = problem["type"].partition("#")
        find_article(await read(session, page), anchor)


async def test_the_language_is_the_browsers_or_the_chosen_one(session: aiohttp.ClientSession) -> None:
    cases = [
        ("/docs", "", "en"),
        ("/docs", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("/docs", "fr, en;q=0.5", "en"),
        ("/docs?lang=en", "zh", "en"),
        ("/docs/problems?lang=zh", "en", "zh"),
    ]
    for path, accepted, expected in cases:
        async with session.get(path, headers={"Accept-Language": accepted}) as response:
            page = await response.text()
            assert response.headers["Content-Language"] == expected
            assert response.headers["Vary"] == "Accept-Encoding, Accept-Language, Host"
        assert f'<html lang="{"zh-Hans" if expected == "zh" else "en"}"' in page
        assert ("/docs/problems?lang=" in page) == ("?lang=" in path), "a choice goes along"


async def test_the_pages_keep_to_a_strict_policy(session: aiohttp.ClientSession) -> None:
    for path in ("/docs", "/docs/problems", "/docs/static/docs.js", "/docs/static/docs.css", "/docs/static/icon.svg"):
        async with session.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            tag = response.headers["ETag"]
        async with session.get(path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
    for path in ("/docs/static/routes.py", "/docs/static/..%2froutes.py", "/docs/nothing"):
        async with session.get(path) as response:
            assert response.status == 404


async def test_a_page_is_compressed_for_those_who_can_read_that(session: aiohttp.ClientSession) -> None:
    for path in ("/docs", "/docs?q=order", "/docs/problems", "/docs/static/docs.css"):
        contents = []
        for accepted in ("gzip", "br, GZIP;q=0.5", "identity", "gzip;q=0, *"):
            async with session.get(path, headers={"Accept-Encoding": accepted}) as response:
                is_compressed = response.headers.get("Content-Encoding") == "gzip"
                assert is_compressed == ("gzip" in accepted.lower() and "q=0," not in accepted), accepted
                contents.append(await response.text())
        assert len(set(contents)) == 1, "what is sent is the same"


def test_a_page_is_compressed_once() -> None:
    first, again = (REFERENCE.render_compressed("problems", Language.ENGLISH, "http://192.168.1.10") for _ in range(2))
    assert first is again


async def test_the_search_works_without_a_script(session: aiohttp.ClientSession) -> None:
    page = await read(session, "/docs?q=ORDER+update")
    assert "cloud-order#cloud_order_update" in page
    assert "/docs/cameras#list_cameras" not in page
    assert page.count('<section class="group">') == 1
    nothing = await read(session, "/docs?q=nosuchthing")
    assert '<p id="nothing" class="lead">' in nothing
    assert '<section class="group">' not in nothing
    assert "cloud-order?lang=zh#cloud_order_update" in await read(session, "/docs?lang=zh&q=%E8%AE%A2%E5%8D%95")
    strange = await read(session, "/docs?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in strange


async def test_examples_name_the_gateway_as_the_caller_does(session: aiohttp.ClientSession) -> None:
    page = await read(session, "/docs/cameras", Host="sunmi-gateway.local:8080")
    assert "curl -sS http://sunmi-gateway.local:8080/api/v1/cameras" in find_example(page, "list_cameras", "curl")
    odd = await read(session, "/docs/cameras", Host="[::1]")
    assert "http://[::1]/api/v1/cameras" in find_example(odd, "list_cameras", "curl")


COMMANDS = {
    "curl": ("sh", "-c"),
    "Python": (sys.executable, "-u", "-c"),
    "JavaScript": ("node", "--input-type=module", "-e"),
}


async def run(language: str, code: str) -> str:
    """Run an example and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[language], code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return printed.decode()


LANGUAGES = ["curl", "Python", *(["JavaScript"] if shutil.which("node") else [])]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("page", "operation", "expected"),
    [
        ("cameras", "list_cameras", "{sn}"),
        ("gateway", "status", "uptime_s"),
        ("cloud-order", "cloud_order_update", "invalid_list"),
        ("events", "events", "camera.found"),
        ("cloud-product", "cloud_product_create", "exist_list"),
        ("events", "create_ticket", "ticket"),
    ],
)
async def test_an_example_runs(
    gateway: Gateway, ours: SimulatedCamera, pos: Rest, language: str, page: str, operation: str, expected: str
) -> None:
    code = find_example(await read(pos.session, f"/docs/{page}"), operation, language)
    printed = await run(language, code.replace("YOUR_TOKEN", pos.token))
    assert expected.format(sn=ours.sn) in printed


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_example_of_the_stream_runs(ours: SimulatedCamera, admin: Rest, language: str, tmp_path: Path) -> None:
    code = find_example(await read(admin.session, "/docs/events"), "events", language, stream=True)
    code = code.replace("YOUR_TOKEN", admin.token)
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[language], f"exec {code}" if language == "curl" else code, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    seen = b""

    async def make_events() -> None:
        while True:
            await admin("POST", "/api/v1/events/erase", {"face_id": "1"})
            await asyncio.sleep(0.1)

    events = asyncio.create_task(make_events())
    try:
        while b"events.erased" not in seen:
            chunk = await process.stdout.read(1000)
            assert chunk, "it ended"
            seen += chunk
    finally:
        events.cancel()
        await asyncio.gather(events, return_exceptions=True)
        process.kill()
        await process.wait()


@pytest.mark.parametrize("language", LANGUAGES[1:])
async def test_the_check_of_a_signature_runs(language: str) -> None:
    article = find_article(render("event-types"), "receive_event")
    found = re.search(rf"<summary>{language}</summary>.*?<code>(.*?)</code>", article, re.DOTALL)
    assert found is not None
    secret, sent_at = create_secret(), int(time.time())
    headers = {"webhook-id": "1", "webhook-timestamp": str(sent_at)}
    signed = headers | {"webhook-signature": sign_body(secret, "1", sent_at, b"{}")}
    old = headers | {"webhook-timestamp": "1", "webhook-signature": sign_body(secret, "1", 1, b"{}")}
    call = (
        "print(is_genuine({headers}, b'{body}', '{secret}'))"
        if language == "Python"
        else "console.log(isGenuine({headers}, Buffer.from('{body}'), '{secret}'))"
    )
    for given, body, expected in ((signed, "{}", "true"), (signed, "[]", "false"), (old, "{}", "false")):
        check = call.replace("{headers}", json.dumps(given)).replace("{body}", body).replace("{secret}", secret)
        assert (await run(language, f"{html.unescape(found[1])}\n{check}")).strip().lower() == expected


def test_every_example_is_code() -> None:
    for group in REFERENCE.sections.values():
        for operation in group:
            curl, python, javascript = operation.examples
            compile(python.code, operation.id, "exec")
            assert curl.code.startswith("curl ")
            assert "await fetch(" in javascript.code
            assert not re.search(r"\{(sn|id|name|outbox_id)\}", curl.code)


@for_each(CATALOGUE.endpoints, name=lambda endpoint: f"{endpoint.side} {endpoint.path}")
def test_the_example_of_an_endpoint_passes_its_checks(endpoint: Any) -> None:
    if endpoint.availability == "listed":
        return
    [operation] = [
        one
        for group in REFERENCE.sections.values()
        for one in group
        if one.id == f"{endpoint.side}_{endpoint.path.replace('/', '_')}"
    ]
    found = re.search(r"-d '(.*)'$", operation.examples[0].code, re.DOTALL)
    if found is not None:
        endpoint.encode(json.loads(found[1].replace("'\"'\"'", "'")), defaults={"shop_id": "1"})
