"""Checking a call against its endpoint: every kind of refusal, and the text that a good call becomes."""

from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FieldError, InvalidRequest, TooLarge
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.catalogue.shop import SHOP_PARAMETERS
from gateway.protocol.endpoint import REDACTED, Endpoint, ResponseField, ReturnCode
from gateway.protocol.parameters import FilePart, Parameter
from gateway.protocol.period_limit import PeriodLimit
from gateway.protocol.return_codes import camera_codes

FACE = {"shop_id": "7948", "group_id": "578968813726", "name": "Mike"}
LABEL = {"shop_id": "7948", "esl_id": "129200"}
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (212).to_bytes(4) + (104).to_bytes(4)
DEFAULTS = {"shop_id": "10096", "sunmi_shop_no": ""}


def camera(path: str) -> Endpoint:
    return CATALOGUE.get("camera", path)


def cloud(path: str) -> Endpoint:
    return CATALOGUE.get("cloud", path)


def picture(data: bytes) -> dict[str, FilePart]:
    return {"pic": FilePart("face.png", "image/png", data)}


def field_errors(endpoint: Endpoint, arguments: dict[str, Any], **more: Any) -> list[FieldError]:
    with pytest.raises(InvalidRequest) as caught:
        endpoint.encode(arguments, **more)
    return list(caught.value.field_errors)


def test_a_good_call_becomes_text() -> None:
    call = camera("config/autoFocus").encode({"focus_x": 50, "focus_y": "60"})
    assert call.endpoint.path == "config/autoFocus"
    assert call.fields == {"focus_x": "50", "focus_y": "60"}
    assert call.files == {}


def test_a_call_without_parameters() -> None:
    assert camera("config/getName").encode({}).fields == {}


def test_every_fault_is_named_at_once() -> None:
    assert field_errors(
        camera("config/setDynamicDetect"), {"motion_level": 4, "weekday": "x", "stop_time": 1441, "zoom": 1}
    ) == [
        FieldError("zoom", "is not a parameter of this endpoint"),
        FieldError("motion_level", "must be at most 3, not 4"),
        FieldError("weekday", "must be an integer"),
        FieldError("stop_time", "must be at most 1440, not 1441"),
        FieldError("audio_level", "is required"),
        FieldError("start_time", "is required"),
    ]


@pytest.mark.parametrize("name", ["zoomm", "Zoom", "app_id", "timestamp", "random", "sign", "sn", "", "__class__"])
def test_an_unknown_parameter_is_refused_by_name(name: str) -> None:
    assert FieldError(name, "is not a parameter of this endpoint") in field_errors(
        camera("config/setZoom"), {"zoom": 1, name: "x"}
    )


def test_an_unknown_file_is_refused_by_name() -> None:
    assert field_errors(camera("config/getName"), {}, files=picture(b"x")) == [
        FieldError("pic", "is not a parameter of this endpoint")
    ]


@pytest.mark.parametrize("arguments", [{}, {"zoom": None}])
def test_what_is_required_has_to_be_there(arguments: dict[str, Any]) -> None:
    assert field_errors(camera("config/setZoom"), arguments) == [FieldError("zoom", "is required")]


def test_null_is_absent() -> None:
    assert cloud("device/esl/flashLed").encode({**LABEL, "channel": None}).fields == LABEL


@pytest.mark.parametrize("ssid", ["咖" * 33, "x" * 33, ""])
def test_a_bad_ssid_is_refused(ssid: str) -> None:
    for path in ("config/setWifiConf", "config/setWifiConfWithoutAuth"):
        assert [one.parameter for one in field_errors(camera(path), {"ssid": ssid, "password": ""})] == ["ssid"]


def test_a_blank_password_is_sent() -> None:
    call = camera("config/setWifiConfWithoutAuth").encode({"ssid": "WeWork", "password": ""})
    assert call.fields == {"ssid": "WeWork", "password": ""}


def test_a_password_is_required_all_the_same() -> None:
    assert field_errors(camera("config/setWifiConf"), {"ssid": "WeWork"}) == [FieldError("password", "is required")]


def test_a_bad_password_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as caught:
        camera("config/setWifiConf").encode({"ssid": "WeWork", "password": "hunter2"})
    assert "hunter2" not in caught.value.detail


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("config/setRotation", {"rotation": 45}),
        ("config/setIrMode", {"irmode": 2}),
        ("config/setZoom", {"zoom": 500}),
        ("config/manualFocus", {"focus": 780}),
        ("config/setLedSwitch", {"led_switch": 0}),
        ("config/updateName", {"name": "门" * 36}),
        (
            "config/setDynamicDetect",
            {"motion_level": 3, "audio_level": 0, "weekday": 255, "start_time": 1260, "stop_time": 0},
        ),
    ],
)
def test_a_camera_takes_the_bounds(path: str, arguments: dict[str, Any]) -> None:
    assert camera(path).encode(arguments).fields == {name: str(value) for name, value in arguments.items()}


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("config/setIrMode", {"irmode": 3}),
        ("config/setZoom", {"zoom": 501}),
        ("config/manualFocus", {"focus": 781}),
        ("config/setLedSwitch", {"led_switch": True}),
        ("config/updateName", {"name": "门" * 37}),
        ("config/updateName", {"name": ""}),
        ("config/updateName", {"name": "\udcff"}),
        ("config/setRotation", {"rotation": "upright"}),
    ],
)
def test_a_camera_takes_nothing_beyond_the_bounds(path: str, arguments: dict[str, Any]) -> None:
    assert [one.parameter for one in field_errors(camera(path), arguments)] == list(arguments)


def test_the_shop_is_filled_in() -> None:
    call = cloud("device/ipc/getList").encode({}, defaults=DEFAULTS)
    assert call.fields == {"shop_id": "10096"}


def test_the_newer_key_of_the_shop_is_filled_in_instead() -> None:
    call = cloud("device/ipc/getList").encode({}, defaults={"shop_id": "10096", "sunmi_shop_no": "123456789012"})
    assert call.fields == {"sunmi_shop_no": "123456789012"}


@pytest.mark.parametrize("shop", [{"shop_id": "7948"}, {"sunmi_shop_no": "999999999999"}])
def test_a_shop_that_the_caller_names_stays(shop: dict[str, str]) -> None:
    defaults = {"shop_id": "10096", "sunmi_shop_no": "123456789012"}
    assert cloud("device/ipc/getList").encode(shop, defaults=defaults).fields == shop


@pytest.mark.parametrize("named", [{"shop_id": None}, {"shop_id": ""}, {"sunmi_shop_no": None}])
def test_naming_no_shop_is_the_same_as_saying_nothing(named: dict[str, Any]) -> None:
    assert cloud("device/ipc/getList").encode(named, defaults=DEFAULTS).fields["shop_id"] == "10096"


def test_a_shop_is_needed() -> None:
    assert field_errors(cloud("device/ipc/getList"), {}) == [FieldError("shop_id", "is required")]
    assert field_errors(cloud("device/ipc/getList"), {"sunmi_shop_no": ""}) == [FieldError("shop_id", "is required")]


def test_the_shop_is_not_given_to_a_call_that_takes_none() -> None:
    assert cloud("media/playback/stop").encode({"client_id": "x"}, defaults=DEFAULTS).fields == {"client_id": "x"}


@pytest.mark.parametrize(
    "label", [{"esl_code": "SKDI39DN"}, {"esl_id": "129200"}, {"esl_code": "SKDI39DN", "esl_id": "1"}]
)
def test_one_of_a_group_is_enough(label: dict[str, str]) -> None:
    assert cloud("device/esl/getInfo").encode({"shop_id": "1", **label}).fields == {"shop_id": "1", **label}


@pytest.mark.parametrize("label", [{}, {"esl_code": None}, {"esl_code": ""}, {"esl_code": "", "esl_id": ""}])
def test_none_of_a_group_is_too_little(label: dict[str, Any]) -> None:
    assert field_errors(cloud("device/esl/getInfo"), {"shop_id": "1", **label}) == [
        FieldError("esl_code", "one of esl_code, esl_id is required")
    ]


def test_the_groups_differ() -> None:
    assert cloud("device/esl/bind").encode({"shop_id": "1", "esl_sn": "B101194N00002"}).fields["esl_sn"]
    assert field_errors(cloud("device/esl/bind"), {"shop_id": "1", "esl_id": "1"})[0].parameter == "esl_id"
    assert field_errors(cloud("product/unbindEsl"), {"shop_id": "1", "esl_code": "short"})[0].parameter == "esl_code"


@pytest.mark.parametrize(
    ("action", "start", "end"),
    [
        ("groupByTag", "2020-01-01", "2020-02-01"),
        ("groupByGender", "2019-12-31", "2020-01-31"),
        ("getTrendByDay", "2020-01-01", "2020-02-01"),
        ("getTrendByHour", "2020-01-01", "2020-01-03"),
        ("getTrendByWeek", "2020-01-01", "2020-03-26"),
        ("getTrendByMonth", "2020-01-31", "2021-02-01"),
        ("getTrendByDay", "2020-01-02", "2020-01-01"),
    ],
)
def test_an_interval_is_limited(action: str, start: str, end: str) -> None:
    found = field_errors(
        cloud(f"passengerFlow/stat/history/{action}"), {"shop_id": "1", "start_time": start, "end_time": end}
    )
    assert [one.parameter for one in found] == ["end_time"]


@pytest.mark.parametrize(
    ("action", "start", "end"),
    [
        ("groupByTag", "2020-01-01", "2020-01-31"),
        ("getTrendByHour", "2020-01-01", "2020-01-01"),
        ("getTrendByWeek", "2020-01-01", "2020-03-25"),
        ("getTrendByMonth", "2020-01-31", "2021-01-31"),
    ],
)
def test_an_interval_within_the_limit(action: str, start: str, end: str) -> None:
    arguments = {"shop_id": "1", "start_time": start, "end_time": end}
    assert cloud(f"passengerFlow/stat/history/{action}").encode(arguments).fields == arguments


def test_recordings_of_an_hour_at_most() -> None:
    arguments = {"shop_id": "1", "ipc_id": "2", "start_time": 1578969264, "end_time": 1578972864}
    assert cloud("media/video/getList").encode(arguments).fields["end_time"] == "1578972864"
    assert field_errors(cloud("media/video/getList"), {**arguments, "end_time": "1578972865"}) == [
        FieldError("end_time", "must be at most 3600 seconds after start_time")
    ]
    longer = {**arguments, "end_time": 1579055640}
    assert cloud("media/motionDetection/getList").encode(longer).fields["end_time"] == "1579055640"


def test_pages_of_motion_have_a_hundred_entries_at_most() -> None:
    arguments = {"shop_id": "1", "ipc_id": "2", "start_time": 1, "end_time": 2, "page_num": 0, "page_size": 101}
    assert field_errors(cloud("media/motionDetection/getList"), arguments) == [
        FieldError("page_num", "must be at least 1, not 0"),
        FieldError("page_size", "must be 1 to 100, not 101"),
    ]


def test_a_picture_of_a_face() -> None:
    call = cloud("face/add").encode(FACE, files=picture(b"x" * 1048576))
    assert call.fields == FACE
    assert len(call.files["pic"].data) == 1048576


def test_a_picture_that_is_too_large() -> None:
    with pytest.raises(TooLarge, match="pic: the file has 1048577 bytes; at most 1048576 are accepted"):
        cloud("face/add").encode(FACE, files=picture(b"x" * 1048577))


def test_a_picture_that_is_missing_empty_or_text() -> None:
    assert field_errors(cloud("face/add"), FACE) == [FieldError("pic", "is required")]
    assert field_errors(cloud("face/add"), FACE, files=picture(b"")) == [FieldError("pic", "is empty")]
    assert field_errors(cloud("face/add"), {**FACE, "pic": "eA=="}) == [
        FieldError("pic", "must be a file: send the call as multipart/form-data")
    ]


def test_a_file_in_place_of_text() -> None:
    part = FilePart("name", "text/plain", b"Mike")
    found = field_errors(cloud("face/add"), FACE, files={**picture(b"x"), "name": part})
    assert found == [FieldError("name", "is not a file parameter")]


def test_a_picture_for_a_label() -> None:
    assert cloud("device/esl/pushImage").encode(LABEL, files=picture(PNG)).fields == LABEL
    wrong = PNG[:16] + (100).to_bytes(4) + PNG[20:]
    assert (
        "is 100 x 104 pixels, which no label shows"
        in field_errors(cloud("device/esl/pushImage"), LABEL, files=picture(wrong))[0].reason
    )


@pytest.mark.parametrize("text", ["x", "可", "&", '"'])
def test_a_request_has_one_megabyte_at_most(text: str) -> None:
    endpoint = cloud("template/create")
    arguments = {"shop_id": "1", "template_name": "sample", "template_color": 1, "template_screen": 1}
    size = len(urlencode({"x": text})) - 2
    endpoint.encode({**arguments, "template_json": text * (1_048_000 // size)})
    with pytest.raises(TooLarge, match="at most 1048576 are accepted"):
        endpoint.encode({**arguments, "template_json": text * (1_048_576 // size)})


def test_the_text_beside_a_file_is_bounded_as_well() -> None:
    with pytest.raises(TooLarge):
        cloud("face/add").encode({**FACE, "customer_value1": "x" * 1048576}, files=picture(b"x"))


def test_an_order_keeps_its_digits_and_its_unknown_properties() -> None:
    text = (
        '[{"order_no":"CN0000938","purchase_amount":10.00,"received_amount":"9.90","table":7,'
        '"product_list":[{"name":"可乐","quantity":1.000,"sugar":{"free":true}}]}]'
    )
    for given_as in (text, json_text.loads(text)):
        assert cloud("order/update").encode({"shop_id": "1", "order_list": given_as}).fields["order_list"] == text


@pytest.mark.parametrize("number", ["999999999999999999.99", "1e17", "0.12345678901234567890123", "-0.0", "1e-400"])
def test_an_amount_keeps_its_value(number: str) -> None:
    orders = json_text.loads(f'[{{"order_no":"1","purchase_amount":{number}}}]')
    fields = cloud("order/update").encode({"shop_id": "1", "order_list": orders}).fields
    assert json_text.loads(fields["order_list"])[0]["purchase_amount"] == Decimal(number)


@pytest.mark.parametrize("number", ["1e18", "-1e999999", "1000000000000000000.0"])
def test_an_amount_that_is_too_large_is_refused(number: str) -> None:
    orders = json_text.loads(f'[{{"order_no":"1","purchase_amount":{number}}}]')
    assert field_errors(cloud("order/update"), {"shop_id": "1", "order_list": orders}) == [
        FieldError("order_list[0].purchase_amount", "must have at most 18 digits before the point")
    ]


def test_an_order_is_checked_inside() -> None:
    orders = [
        {"order_no": "1", "order_type": 7, "purchase_amount": "-3.50", "customer_count": ""},
        {"order_type": 1, "product_list": [{"quantity": 1}, {"quantity": "two"}]},
    ]
    endpoint = cloud("order/update")
    assert field_errors(endpoint, {"shop_id": "1", "order_list": orders}) == [
        FieldError("order_list[1].order_no", "is required")
    ]
    orders[1]["order_no"] = "2"
    assert field_errors(endpoint, {"shop_id": "1", "order_list": orders}) == [
        FieldError("order_list[1].product_list[1].quantity", "must be a number")
    ]


@pytest.mark.parametrize(
    ("path", "item", "place"),
    [
        ("product/create", {"name": "Cola"}, "product_list[0].id"),
        ("product/create", {"id": "1"}, "product_list[0].name"),
        ("product/create", {"id": "1", "name": ""}, "product_list[0].name"),
        ("product/create", {"id": "1", "name": "Cola", "price": "-1"}, "product_list[0].price"),
        ("product/update", {"price": "3.5"}, "product_list[0].id"),
        ("product/update", {"id": 1, "member_price": "cheap"}, "product_list[0].member_price"),
    ],
)
def test_a_product_is_checked_inside(path: str, item: dict[str, Any], place: str) -> None:
    assert [one.parameter for one in field_errors(cloud(path), {"shop_id": "1", "product_list": [item]})] == [place]


def test_a_product_is_updated_by_its_number_alone() -> None:
    call = cloud("product/update").encode({"shop_id": "1", "product_list": [{"id": 1, "price": "3.5"}]})
    assert call.fields["product_list"] == '[{"id":1,"price":"3.5"}]'


@given(
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=8), max_size=4)
)
def test_any_arguments_are_encoded_or_refused(arguments: dict[str, Any]) -> None:
    for endpoint in (camera("config/setZoom"), cloud("order/update"), cloud("device/esl/getInfo")):
        with suppress(InvalidRequest):
            call = endpoint.encode({"zoom": 1, "shop_id": "1", **arguments})
            assert all(isinstance(value, str) for value in call.fields.values())


def test_a_refusal_becomes_the_members_of_a_problem() -> None:
    with pytest.raises(InvalidRequest, match=r"focus: is not a param.+; zoom: must be an int") as caught:
        camera("config/setZoom").encode({"zoom": "x", "focus": 1})
    assert caught.value.members["errors"] == [
        {"parameter": "focus", "reason": "is not a parameter of this endpoint"},
        {"parameter": "zoom", "reason": "must be an integer"},
    ]


def declare(**more: Any) -> Endpoint:
    declared = {"path": "config/x", "side": "camera", "title": "X", "source": "here", "scope": "pos"}
    return Endpoint(**{**declared, "return_codes": camera_codes(0, 1), **more})


ZOOM = Parameter(name="zoom", type="int")


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"path": ""}, "path must be relative"),
        ({"path": "/config/x"}, "path must be relative"),
        ({"path": "config/x/"}, "path must be relative"),
        ({"path": "x"}, "a camera path is TYPE/ACTION"),
        ({"parameters": (ZOOM, ZOOM)}, "a parameter is declared twice"),
        ({"parameters": (Parameter(name="sign", type="string"),)}, "public parameters are added by signing"),
        ({"parameters": (Parameter(name="a", type="string", one_of="g"),)}, "a group of one"),
        ({"return_codes": camera_codes(1)}, "return code 0 is missing"),
        ({"return_codes": camera_codes(0, 1, 1)}, "a return code is declared twice"),
        ({"parameters": SHOP_PARAMETERS[1:]}, "replaces an unknown one"),
        ({"limits": (PeriodLimit("a", "b", 1, "days"),)}, "a limit on an unknown parameter"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        declare(**declared)


def test_secrets_are_redacted_at_any_depth() -> None:
    endpoint = declare(
        response_fields=(
            ResponseField("key", "string", secret=True),
            ResponseField("networks[].password", "string", secret=True),
            ResponseField("deep.er.password", "string", secret=True),
        )
    )
    assert endpoint.has_secret_fields
    assert endpoint.redact(
        {
            "data": {
                "key": 5,
                "networks": [{"ssid": "a", "password": "b"}, {"password": ""}, 7],
                "deep": {"er": {"password": "c"}},
            }
        }
    ) == {
        "data": {
            "key": REDACTED,
            "networks": [{"ssid": "a", "password": REDACTED}, {"password": ""}, 7],
            "deep": {"er": {"password": REDACTED}},
        }
    }


def test_a_meaning_says_whether_it_is_inferred() -> None:
    endpoint = declare(return_codes=(ReturnCode(0, "success"), ReturnCode(7, "not activated", True)))
    assert [endpoint.describe_code(code) for code in (0, 7, 8)] == [
        "success",
        "not activated, most likely",
        "not documented for this endpoint",
    ]
