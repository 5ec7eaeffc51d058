"""The whole catalogue, walked: what must hold for every declaration in it."""

import json
import re

import pytest

from gateway.errors import NotFound
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import REDACTED, Catalogue, Endpoint, Side
from gateway.protocol.parameters import Parameter
from tests.each import for_each

for_each_endpoint = for_each(CATALOGUE.endpoints, name=lambda endpoint: f"{endpoint.side}:{endpoint.path}")
for_each_cloud_call = for_each(CATALOGUE.list_endpoints("cloud"), name=lambda endpoint: endpoint.path)
READS = re.compile(r"(^|/)(get|groupBy)[A-Z]\w*$")
DELETING = {"face/delete", "face/group/delete"}
PLACES = re.compile(r"[A-Z][A-Za-z ]+(, [0-9]|$)")
"""Where an endpoint is described: the vendor's page and the section on it."""


def every_parameter(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    return [one for known in parameters for one in (known, *every_parameter(known.properties))]


@pytest.mark.parametrize(
    ("side", "path", "availability"),
    [
        ("cloud", "device/ipc/bind", "developing"),
        ("cloud", "media/playback/start", "developing"),
        ("cloud", "media/playback/stop", "developing"),
        ("cloud", "passengerFlow/stat/history/getTrendByWeek", "developing"),
        ("cloud", "passengerFlow/stat/history/getTrendByMonth", "developing"),
        ("cloud", "device/esl/setRefreshTime", "unavailable"),
        ("cloud", "device/ap/setScanTime", "unavailable"),
        ("cloud", "device/ap/firmware/upgrade", "unavailable"),
        ("cloud", "device/esl/firmware/upgrade", "unavailable"),
        ("cloud", "face/updatePicture", "listed"),
        ("camera", "device/getInfo", "available"),
    ],
)
def test_what_the_vendor_holds_back(side: Side, path: str, availability: str) -> None:
    assert CATALOGUE.get(side, path).availability == availability


@pytest.mark.parametrize(
    ("path", "auth"),
    [
        ("config/setWifiConfWithoutAuth", "none"),
        ("config/getApListWithoutAuth", "none"),
        ("device/activate", "activation"),
        ("config/setWifiConf", "signed"),
    ],
)
def test_how_a_call_is_authorised(path: str, auth: str) -> None:
    assert CATALOGUE.get("camera", path).auth == auth


@for_each_cloud_call
def test_every_cloud_call_is_signed(endpoint: Endpoint) -> None:
    assert endpoint.auth == "signed"


@pytest.mark.parametrize("path", ["device/ipc/getList", "/device/ipc/getList", "openapi/device/ipc/getList/"])
def test_an_endpoint_is_found_by_its_path(path: str) -> None:
    assert CATALOGUE.get("cloud", path).path == "device/ipc/getList"


@pytest.mark.parametrize("path", ["", "/", "device", "device/ipc/getlist", "config/setZoom", "../device/ipc/getList"])
def test_an_unknown_endpoint_is_named(path: str) -> None:
    with pytest.raises(NotFound, match="the cloud has no endpoint"):
        CATALOGUE.get("cloud", path)


def test_the_sides_have_names_of_their_own() -> None:
    assert CATALOGUE.get("camera", "device/getInfo").side == "camera"
    with pytest.raises(NotFound):
        CATALOGUE.get("cloud", "device/getInfo")


def test_an_endpoint_declared_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        Catalogue((CATALOGUE.endpoints[0], CATALOGUE.endpoints[0]))


@for_each_endpoint
def test_it_is_described_as_json(endpoint: Endpoint) -> None:
    described = endpoint.describe()
    assert json.loads(json.dumps(described)) == described
    assert json_text.loads(json_text.dumps(described)) == described
    assert {"source", "confidence"} <= set(described)
    assert {"path", "side", "title", "auth", "availability", "parameters", "return_codes", "scope", "relay"} <= set(
        described
    )


@for_each_endpoint
def test_it_says_where_it_comes_from(endpoint: Endpoint) -> None:
    assert PLACES.match(endpoint.source)
    assert endpoint.title
    assert endpoint.describe()["confidence"] in ("high", "medium", "low")
    if endpoint.availability != "available":
        assert endpoint.note or "history" in endpoint.path


@for_each_endpoint
def test_its_return_codes(endpoint: Endpoint) -> None:
    codes = {known.code: known for known in endpoint.return_codes}
    assert endpoint.return_codes[0].code == 0
    assert not codes[0].inferred
    assert all(known.meaning for known in endpoint.return_codes)
    if endpoint.side == "camera":
        assert all(known.inferred for code, known in codes.items() if code != 0)
        assert (5 in codes) == (endpoint.auth != "activation")
        assert (7 in codes) == (endpoint.auth != "activation" and not endpoint.path.startswith("hook/"))
    else:
        assert {5090, 5091, 5092} <= codes.keys()


@for_each_endpoint
def test_its_response_fields(endpoint: Endpoint) -> None:
    kinds = {field.path: field.type for field in endpoint.response_fields}
    assert len(kinds) == len(endpoint.response_fields)
    for path in kinds:
        container, below, _ = path.rpartition("[]")
        if below:
            assert kinds[container] == "array"


@for_each_endpoint
def test_its_examples_and_defaults_fit(endpoint: Endpoint) -> None:
    for known in every_parameter(endpoint.parameters):
        for value in (known.example, known.default):
            if value is not None:
                assert known.encode(value) == str(value)


@for_each_endpoint
def test_passwords_and_addresses_of_streams_are_secret_and_nothing_else_is(endpoint: Endpoint) -> None:
    for known in every_parameter(endpoint.parameters):
        assert known.secret == ("password" in known.name)
    for field in endpoint.response_fields:
        is_stream = endpoint.side == "camera" and field.path.endswith("_url")
        assert field.secret == ("password" in field.path or is_stream)
    assert endpoint.has_secret_fields == any(field.secret for field in endpoint.response_fields)


def test_a_secret_is_redacted() -> None:
    wifi = CATALOGUE.get("camera", "config/getWifiConf")
    response = {"code": 0, "data": {"ssid": "SUNMI_IPC", "password": "1234567890"}}
    assert wifi.redact(response) == {"code": 0, "data": {"ssid": "SUNMI_IPC", "password": REDACTED}}
    assert response["data"] == {"ssid": "SUNMI_IPC", "password": "1234567890"}


@pytest.mark.parametrize(
    "response", [{}, {"code": 5}, {"data": []}, {"data": None}, {"data": {"password": ""}}, [], "x"]
)
def test_a_response_without_the_secret_stays_as_it_is(response: object) -> None:
    assert CATALOGUE.get("camera", "config/getWifiConf").redact(response) == response


@for_each_endpoint
def test_its_scope(endpoint: Endpoint) -> None:
    reads = bool(READS.search(endpoint.path))
    if endpoint.path in DELETING or endpoint.path.startswith("hook/") or endpoint.path.endswith("upgrade"):
        assert endpoint.scope == "admin"
    elif endpoint.side == "camera":
        assert (endpoint.scope == "pos") == (reads and not endpoint.has_secret_fields)
    elif endpoint.path.startswith("media/"):
        assert endpoint.scope == "media"
    elif re.fullmatch(r"face/(add|update\w*|group/move)", endpoint.path):
        assert endpoint.scope == "people"
    elif endpoint.path == "product/delete":
        assert (endpoint.scope, endpoint.pos_setting) == ("installer", "pos_deletes_products")
    elif reads or endpoint.path.startswith(("order/", "product/", "passengerFlow/")):
        assert endpoint.scope == "pos"


@for_each_endpoint
def test_whether_it_may_be_repeated(endpoint: Endpoint) -> None:
    if READS.search(endpoint.path):
        assert endpoint.repeatable
    elif re.search(r"(activate|reset|reboot|formatMemoryCard|create|add|flashLed|upgrade|[bB]ind\w*)$", endpoint.path):
        assert endpoint.repeatable == (endpoint.path == "hook/add")


@for_each_cloud_call
def test_a_cloud_call_names_its_shop_and_is_bounded(endpoint: Endpoint) -> None:
    names = [known.name for known in endpoint.parameters]
    assert endpoint.max_bytes == 1048576
    assert ("shop_id" in names) == (endpoint.path not in {"media/playback/stop", "face/updatePicture"})
    assert ("shop_id" in names) == ("sunmi_shop_no" in names)


def test_which_calls_carry_files() -> None:
    assert {"face/add", "device/esl/pushImage"} <= {one.path for one in CATALOGUE.endpoints if one.takes_file}


@pytest.mark.parametrize(
    ("path", "timeout_s"),
    [
        ("config/setZoom", 18),
        ("config/resetZoomFocus", 18),
        ("config/manualFocus", 13),
        ("config/autoFocus", 13),
        ("config/formatMemoryCard", 15),
        ("config/getName", None),
    ],
)
def test_the_lens_is_slow(path: str, timeout_s: float | None) -> None:
    assert CATALOGUE.get("camera", path).timeout_s == timeout_s


def test_a_number_means_something_else_elsewhere() -> None:
    assert CATALOGUE.get("cloud", "device/ap/getInfo").describe_code(5011) == "invalid model type"
    assert CATALOGUE.get("cloud", "media/live/start").describe_code(5011) == "error in communication with the device"
    assert CATALOGUE.get("camera", "config/setZoom").describe_code(5) == "the signature is wrong, most likely"
    assert CATALOGUE.get("camera", "config/setZoom").describe_code(4711) == "not documented for this endpoint"
