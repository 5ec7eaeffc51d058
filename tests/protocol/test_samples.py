"""The vendor's own samples: every request encodes to what is printed, every response holds only what is declared."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidRequest
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.envelope import parse_response
from gateway.protocol.parameters import FilePart
from gateway.protocol.signing import sign
from tests.each import for_each
from tests.protocol.test_vendor_paths import MISPRINTED_PATHS

FOLDER = Path(__file__).parent.parent / "fixtures" / "samples"
SAMPLES = {file.stem: json_text.loads(file.read_bytes()) for file in sorted(FOLDER.glob("*.json"))}
PUBLIC = {"app_id", "timestamp", "random", "sign"}
MEMBERS = {"endpoint", "source", "repaired", "request", "files", "refused", "answer"}


def endpoint_of(sample: dict[str, Any]) -> Endpoint:
    return CATALOGUE.get(sample["endpoint"]["side"], sample["endpoint"]["path"])


def private(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sample["request"].items() if name not in PUBLIC}


def named(member: str) -> list[str]:
    return [name for name, sample in SAMPLES.items() if member in sample]


def test_every_endpoint_whose_path_is_printed_has_a_sample() -> None:
    printed = json.loads((Path(__file__).parent / "vendor_paths.json").read_text(encoding="utf-8"))
    paths = {"camera": set(printed["camera"]), "cloud": set(printed["cloud"]) - MISPRINTED_PATHS.keys()}
    for side in paths:
        sampled = {sample["endpoint"]["path"] for sample in SAMPLES.values() if sample["endpoint"]["side"] == side}
        assert paths[side] <= sampled


@for_each(SAMPLES)
def test_a_sample_is_well_formed(name: str) -> None:
    sample = SAMPLES[name]
    path = endpoint_of(sample).path.replace("/", "-")
    assert set(sample) <= MEMBERS
    assert {"endpoint", "source", "repaired"} < set(sample)
    assert name.startswith(f"{sample['endpoint']['side']}-{path}")
    assert re.fullmatch(r"[A-Z][A-Za-z ]+, [0-9.]+", sample["source"])


@for_each(name for name in named("request") if "refused" not in SAMPLES[name])
def test_a_request_encodes_to_what_is_printed(name: str) -> None:
    sample = SAMPLES[name]
    endpoint = endpoint_of(sample)
    files = {name: FilePart(file, "image/png", b"a picture") for name, file in sample.get("files", {}).items()}
    call = endpoint.encode(private(sample), files=files)
    arrays = {parameter.name for parameter in endpoint.parameters if parameter.type == "array"}
    assert call.files == files
    assert call.fields.keys() == private(sample).keys()
    for field, value in private(sample).items():
        if field in arrays:
            assert json_text.loads(call.fields[field]) == (json_text.loads(value) if isinstance(value, str) else value)
        else:
            assert call.fields[field] == str(value)


@for_each(named("refused"))
def test_a_request_that_is_wrong_on_purpose_is_refused(name: str) -> None:
    sample = SAMPLES[name]
    with pytest.raises(InvalidRequest) as caught:
        endpoint_of(sample).encode(private(sample))
    assert [one.parameter.partition("[")[0] for one in caught.value.field_errors] == [sample["refused"]]


def test_the_worked_activation_verifies() -> None:
    request = SAMPLES["camera-device-activate"]["request"]
    assert sign(request, "12345678") == request["sign"]


@for_each(named("answer"))
def test_a_response_holds_only_what_is_declared(name: str) -> None:
    sample = SAMPLES[name]
    endpoint = endpoint_of(sample)
    response = parse_response(json_text.dumps(sample["answer"]).encode())
    assert response.code in {known.code for known in endpoint.return_codes}
    assert response.document == json.loads(json_text.dumps(sample["answer"]))
    declared = {field.path: field.type for field in endpoint.response_fields}
    for path, value in leaves(response.data):
        assert path in declared, f"{path} is not declared"
        if value is None:
            assert "null" in sample["repaired"]
        else:
            assert fits(value, declared[path]), f"{path}: {value!r} is no {declared[path]}"


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """List every field below a value, containers included."""
    found: list[tuple[str, Any]] = [(path, value)] if path else []
    if isinstance(value, dict):
        for name, member in value.items():
            found += leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for element in value:
            found += [leaf for leaf in leaves(element, f"{path}[]") if not isinstance(leaf[1], dict)]
    return found


def fits(value: Any, kind: str) -> bool:
    """Tell whether a value has a kind, as tolerantly as the vendor is loose (NOTES: Identifiers; Customer flow)."""
    match kind:
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "string":
            return isinstance(value, str | int)
        case "int":
            return isinstance(value, int) or (isinstance(value, str) and value.isdigit())
        case _:
            return isinstance(value, int | Decimal | str)
