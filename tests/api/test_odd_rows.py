"""The REST API over a database that cannot be used, or that holds odd rows."""

import sqlite3
from contextlib import closing

import pytest

from gateway.app import Gateway
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.account import SHOPS
from tests.api.conftest import Rest
from tests.outbox.opened import submit
from tests.storage.databases import refused_writes


@pytest.fixture
async def odd(gateway: Gateway) -> Gateway:
    """Give a gateway with two items in its outbox, of which a test makes the first an odd one."""
    for number in ("A", "B"):
        fields = {"shop_id": next(iter(SHOPS)), "order_list": [{"order_no": number}]}
        await submit(gateway.outbox, CATALOGUE.get("cloud", "order/update").encode(fields))
    return gateway


def write(gateway: Gateway, statement: str) -> None:
    with closing(sqlite3.connect(gateway.database.path)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


async def test_a_database_that_cannot_be_written_to_is_a_503_that_is_logged_once(
    gateway: Gateway, admin: Rest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with refused_writes(gateway.database):
        for name in ("a", "b", "c"):
            answer = await admin("POST", "/api/v1/tokens", {"name": name, "scope": "pos"})
            assert (answer.status, answer.body["code"]) == (503, "overloaded")
            assert int(answer.headers["Retry-After"]) > 0
    assert (await admin("POST", "/api/v1/tokens", {"name": "a", "scope": "pos"})).status == 201
    logged = [record for record in caplog.records if "POST /api/v1/tokens cannot be done" in record.message]
    assert [record.levelname for record in logged if record.levelname != "DEBUG"] == ["ERROR", "INFO"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("unix_s", [10**18, -(10**15), 253_402_300_800])
async def test_an_odd_time_hides_no_item(odd: Gateway, admin: Rest, unix_s: int) -> None:
    write(odd, f"UPDATE item SET created_at = {unix_s} WHERE sequence = 1")  # noqa: S608
    listed = await admin("GET", "/api/v1/outbox")
    assert [item["sequence"] for item in listed.body["items"]] == [1, 2]
    assert (await admin("GET", "/api/v1/outbox/1")).body["created_at"] in (
        "9999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    )


@pytest.mark.parametrize("column", ["item.shared", "item_content.text", "item.vendor_response"])
async def test_a_lone_surrogate_hides_no_item(odd: Gateway, admin: Rest, column: str) -> None:
    table, name = column.split(".")
    value = """{"shop_id": "\\ud800", "code": 1, "order_no": "\\udc00"}"""
    write(odd, f"UPDATE {table} SET {name} = '{value}' WHERE sequence = 1")  # noqa: S608
    write(odd, "UPDATE item SET state = 'refused' WHERE sequence = 1")
    listed = await admin("GET", "/api/v1/outbox")
    assert [item["sequence"] for item in listed.body["items"]] == [1, 2]
    assert "?" in str((await admin("GET", "/api/v1/outbox/1")).body)
