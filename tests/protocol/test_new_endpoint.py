"""How an endpoint of the vendor is added: one declaration in the catalogue, then `packaging/generate.sh`.

The declaration below is put into a copy of the code, and the reference is written anew there.
Everything that is derived from the catalogue has to know it then, and every rule for the catalogue has to hold.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CHAPTER = "gateway/protocol/catalogue/cloud_orders.py"
PAGE = "gateway/protocol/catalogue/REFERENCE.md"

DECLARATION = """
    cloud_endpoint(
        path="coupon/update",
        title="Update coupons",
        source="Order APIs, 3.9",
        scope="pos",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="coupon_list", type="array", items="object", required=True,
                properties=(Parameter(name="coupon_no", type="string", required=True, example="C1"),),
            ),
        ),
        response_fields=string_list("invalid_list", "Numbers of the coupons that were refused."),
        return_codes=cloud_codes({5041: "invalid SaaS provider"}),
        relay=RelayPolicy(
            list_parameter="coupon_list",
            order_keys=(OrderKey("order", ("coupon_no",)),),
            result_lists={"invalid_list": ResultList("refused", "the cloud takes this coupon for invalid")},
        ),
    ),
"""
DERIVED = """
from gateway.api.openapi import build_document
from gateway.api.route_table import list_routes
from gateway.outbox.batching import split
from gateway.protocol.catalogue import CATALOGUE

assert "/api/v1/cloud/coupon/update" in {route.path for route in list_routes()}
assert "202" in build_document(list_routes())["paths"]["/api/v1/cloud/coupon/update"]["post"]["responses"]
call = CATALOGUE.get("cloud", "coupon/update").encode({"shop_id": "1", "coupon_list": [{"coupon_no": "C1"}]})
assert [item.reference for item in split(call)[1]] == ["C1"]
"""
RULES = ("catalogue", "reference", "relay_policy", "samples", "vendor_paths")
"""The tests that hold for every declaration."""


def test_an_endpoint_is_one_declaration(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("gateway", "tests/protocol", "tests/fixtures"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for file in ("pyproject.toml", *(f"tests/{name}.py" for name in ("conftest", "api_document", "chromium", "each"))):
        shutil.copy(ROOT / file, tmp_path / file)
    chapter = tmp_path / CHAPTER
    before, marker, after = chapter.read_text(encoding="utf-8").partition("\nENDPOINTS = (")
    chapter.write_text(before + marker + DECLARATION + after, encoding="utf-8")

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()[-2000:]
        return done.stdout.decode()

    (tmp_path / PAGE).write_text(run("-m", "gateway", "catalogue", "--markdown"), encoding="utf-8")
    assert "#### coupon/update" in (tmp_path / PAGE).read_text(encoding="utf-8")
    run("-c", DERIVED)
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/protocol/test_{rule}.py" for rule in RULES))
