"""The reference page is committed, so it has to be the one that the catalogue makes."""

import re
from pathlib import Path

from gateway.protocol import catalogue
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.catalogue.shop import MAX_BATCH_SIZE
from gateway.protocol.reference import render

PAGE = Path(catalogue.__file__).parent / "REFERENCE.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(CATALOGUE), (
        "the catalogue has changed: run bash packaging/generate.sh"
    )


def test_it_shows_every_endpoint_and_every_link_leads_somewhere() -> None:
    page = render(CATALOGUE)
    headings = re.findall(r"^#### (.+)$", page, re.MULTILINE)
    anchors = re.findall(r'<a id="([\w-]+)">', page)
    assert sorted(headings) == sorted(endpoint.path for endpoint in CATALOGUE.endpoints)
    assert len(set(anchors)) == len(CATALOGUE.endpoints)
    assert sorted(re.findall(r"\(#([\w-]+)\)", page)) == sorted(anchors)


def test_its_tables_are_whole() -> None:
    width = 0
    for line in render(CATALOGUE).splitlines():
        columns = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not columns or not width or columns == width, line
        width = columns


def test_it_tells_limits_and_guesses() -> None:
    lines = render(CATALOGUE).splitlines()
    assert "| `zoom` | int | yes | 0 to 500 | Zoom level. |" in lines
    assert "| 5 | the signature is wrong *(inferred)* |" in lines
    assert "- From `start_time` to `end_time`: at most 12 weeks." in lines
    assert any(line.startswith("| `esl_code` | string | one of `esl_code`, `esl_sn` | 8 characters") for line in lines)
    assert "| `password` | string | Password. Secret. |" in lines
    assert any("SL126+: 296 x 152 pixels in black, white;" in line for line in lines)


def test_it_tells_how_the_calls_of_each_endpoint_wait() -> None:
    sections = {
        section.partition("\n")[0]: section
        for section in re.split(r"^#### ", render(CATALOGUE), flags=re.MULTILINE)[1:]
    }
    for endpoint in CATALOGUE.list_endpoints("cloud"):
        facts = sections[endpoint.path]
        assert ("- Queued, priority" in facts) == (endpoint.relay is not None), endpoint.path
        assert ("- Not queued." in facts) == (endpoint.relay is None), endpoint.path
    orders, updates, creates = (sections[path] for path in ("order/update", "product/update", "product/create"))
    assert f"- Queued, priority 1: each element of `order_list` is an item, up to {MAX_BATCH_SIZE} in a call." in orders
    assert "- Order key: the order (`order_no`)." in orders
    assert "- While one waits, each is sent" in orders
    assert "merged into it field by field" in updates
    assert "or delivered if it has a `name`" in updates
    assert "a barrier" in creates
    assert "`exist_list` is sent to product/update instead" in creates
    assert "a newer one of the same key takes its place" in sections["device/esl/pushImage"]
    assert "- Expires when it has waited for 60 s" in sections["device/esl/flashLed"]
    assert (
        "- Order key: the label (`esl_id`, `esl_code`) and the product (`product_id`)." in sections["product/bindEsl"]
    )
