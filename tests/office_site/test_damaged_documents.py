"""What somebody has damaged on the servers is named: which document, whose it is, and what to do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gateway.errors import StateError
from gateway.fleet.subjects import DESIRED
from gateway.office.bucket import Bucket
from gateway.office_site.access import AccessList
from tests.office_site.chain import Visitor

REMEDY = "sunmi-gateway office unset document --group north"


@pytest.fixture(params=[b"{oops", b'{"settings": 5}'])
async def damaged(visitor: Visitor, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Let what is wanted of the group north be something that nobody can read."""
    bucket = Bucket(visitor.site.office, DESIRED)
    await bucket.put("group.north", request.param, (await bucket.get("group.north")).revision)
    yield
    await bucket.delete("group.north", (await bucket.get("group.north")).revision)


async def test_a_damaged_document_is_named_on_its_page(visitor: Visitor, damaged: None) -> None:
    await visitor.sign_in()
    response, html = await visitor.get("desired/group.north")
    assert response.status == 409
    assert "A document of the chain is damaged" in html
    assert "the group north" in html
    assert REMEDY in html
    assert ": :" not in html
    assert "database" not in html
    html = (await visitor.post("desired/group.north", csrf=await visitor.csrf()))[1]
    assert REMEDY in html


async def test_a_damaged_document_is_named_by_the_api(visitor: Visitor, damaged: None) -> None:
    token = await visitor.site.view.access.create_token(f"damage-{uuid4()}", "view")
    status, problem = await visitor.call("GET", "/api/v1/desired/group.north", token)
    assert (status, problem["code"], problem["title"]) == (409, "conflict", "A document of the chain is damaged")
    assert REMEDY in problem["detail"]


async def test_the_page_of_a_shop_says_which_of_its_documents_is_damaged(visitor: Visitor, damaged: None) -> None:
    await visitor.sign_in()
    response, html = await visitor.get("shops/hamburg-1")
    assert response.status == 200
    assert '<a href="/console/desired/group.north">group.north</a> <span class="badge failed">damaged</span>' in html
    for path in ("shops/hamburg-2", "desired", "desired/shop.hamburg-1"):
        assert (await visitor.get(path))[0].status == 200


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (StateError("the disk of the head office is full"), 503, "the disk of the head office is full"),
        (RuntimeError("a fault"), 500, "the head office failed unexpectedly; its log holds the details"),
    ],
)
async def test_a_failure_of_the_head_office_is_not_called_one_of_a_gateway(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int, text: str
) -> None:
    await visitor.sign_in()
    token = await visitor.site.view.access.create_token(f"failure {status}", "admin")

    def fail(_: AccessList) -> None:
        raise failure

    monkeypatch.setattr(AccessList, "all", fail)
    response, html = await visitor.get("access")
    assert response.status == status
    assert text in html
    assert "gateway" not in html.lower().partition("<main")[2]
    status, problem = await visitor.call("GET", "/api/v1/tokens", token)
    assert (status, problem["detail"]) == (response.status, text)
    assert "gateway" not in problem["title"].lower()
