"""`office reader` and `office asyncapi`: what a chain's own systems get."""

import json
from pathlib import Path

import nats.errors
import pytest

from gateway.api.asyncapi import build_asyncapi_document
from gateway.fleet.credentials import CredentialFiles
from tests.fleet.cluster import HeadOffice
from tests.office.test_init_command import run, run_json
from tests.waiting import until


async def test_a_reader_gets_files_that_let_it_read_and_no_more(office: HeadOffice, tmp_path: Path) -> None:
    folder = tmp_path / "erp"
    chosen = ("--folder", str(office.chain.path))
    made = await run_json("reader", "erp", str(folder), *chosen)
    assert made["servers"] == office.servers
    assert set(made["files"]) == {"ca.pem", "erp.pem", "erp.key", "erp.jwt", "erp.creds"}
    files = CredentialFiles(*(str(folder / name) for name in ("ca.pem", "erp.pem", "erp.key", "erp.jwt")))
    async with office.client("erp", files) as client:
        for subject in (
            "fleet.v1.shop-1.event.x",
            "fleet.v1.shop-1.command.doctor",
            "$KV.desired.chain",
            "$JS.API.INFO",
        ):
            office.reported.clear()
            with pytest.raises(nats.errors.Error):
                await client.request(subject, b"{}", timeout=0.1)
            await until(lambda: any("permissions violation for publish" in text.lower() for text in office.reported))
        for subject in ("fleet.v1.*.command.>", "$KV.shops.>", "$KV.office.>", "_INBOX.>"):
            office.reported.clear()
            await client.subscribe(subject)
            await until(lambda: any("violation for subscription" in text.lower() for text in office.reported))
    status, _, errors = await run("reader", "erp", str(folder), *chosen)
    assert (status, "choose another name" in errors) == (1, True)
    status, _, errors = await run("reader", "e.rp", str(folder), *chosen)
    assert (status, "letters, digits, - or _" in errors) == (1, True)


async def test_the_document_is_printed(office: HeadOffice) -> None:
    status, output, _ = await run("asyncapi")
    assert status == 0
    assert json.loads(output) == json.loads(json.dumps(build_asyncapi_document()))
