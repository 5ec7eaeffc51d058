"""Texts of responses are Chinese for who asks for it, and English for everybody else."""

from typing import Any

import pytest

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}


@pytest.mark.parametrize(
    "header", [None, "", "en", "de-DE,de;q=0.9", "en-US,en;q=0.9,zh;q=0.8", "*", "nonsense;;q=", "zh;q=0"]
)
async def test_problems_are_english_unless_chinese_is_asked_for(admin: Any, header: str | None) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    response = await admin("GET", "/api/v1/tokens/x/y", headers=headers)
    assert response.body["title"] == "Not Found"
    response = await admin("GET", "/api/v1/cameras/nobody", headers=headers)
    assert response.body["title"] == "Not found"
    assert response.body["detail"].startswith("No camera 'nobody' is known")
    assert "Content-Language" not in response.headers


async def test_problems_are_chinese_for_who_asks(admin: Any) -> None:
    response = await admin("GET", "/api/v1/cameras/nobody", headers=CHINESE)
    assert (response.status, response.body["code"]) == (404, "not_found")
    assert response.headers["Content-Language"] == "zh"
    assert response.body["title"] == "未找到"
    assert response.body["detail"] == "未知的摄像机 'nobody'：请运行发现，或用地址和序列号添加"
    response = await admin("GET", "/api/v1/cameras/%7B0%7D", headers=CHINESE)
    assert "{0}" in response.body["detail"]


async def test_the_next_request_of_a_connection_has_its_own_language(admin: Any) -> None:
    assert (await admin("GET", "/api/v1/cameras/x", headers=CHINESE)).body["title"] == "未找到"
    assert (await admin("GET", "/api/v1/cameras/x")).body["title"] == "Not found"


async def test_field_errors_are_chinese_for_who_asks(admin: Any) -> None:
    body = {"sn": "a b", "address": "127.0.0.1:9"}
    english = (await admin("POST", "/api/v1/cameras", body)).body
    chinese = (await admin("POST", "/api/v1/cameras", body, headers=CHINESE)).body
    assert english["errors"] == [
        {"parameter": "sn", "reason": "must be letters, digits and ._-, at most 128 characters"}
    ]
    assert chinese["errors"] == [{"parameter": "sn", "reason": "只能含字母、数字和 ._-，最多 128 个字符"}]
    assert chinese["title"] == "请求无效"
    assert chinese["detail"] == "sn：只能含字母、数字和 ._-，最多 128 个字符"


async def test_wrong_types_and_limits_are_named_in_chinese_for_who_asks(admin: Any) -> None:
    for body, english, chinese in (
        ({"sn": 1}, "must be a valid string", "必须是字符串"),
        ({}, "is required", "必填"),
        ({"sn": "S", "nonsense": 1}, "is not a parameter of this call", "不是此接口的参数"),
    ):
        for headers, expected in (({}, english), (CHINESE, chinese)):
            response = await admin("POST", "/api/v1/cameras", body, headers=headers)
            assert response.body["errors"][0]["reason"].startswith(expected)


async def test_the_meaning_of_a_missing_field_is_chinese_for_who_asks(admin: Any) -> None:
    for headers, detail in (
        ({}, "sn: is required: the serial number on the camera's label"),
        (CHINESE, "sn：必填：摄像机标签上的序列号"),
    ):
        refused = await admin("POST", "/api/v1/cameras", {"address": "127.0.0.1:9"}, headers=headers)
        assert refused.body["detail"] == detail


async def test_a_body_that_is_no_json_is_told_in_chinese(admin: Any) -> None:
    refused = await admin(
        "POST", "/api/v1/cameras", data=b"nonsense", headers=CHINESE | {"Content-Type": "application/json"}
    )
    assert refused.body["detail"].startswith("请求正文必须是 UTF-8 编码的 JSON 对象")


async def test_a_notice_about_a_lost_cursor_is_chinese_for_who_asks(admin: Any) -> None:
    for after, english, chinese in (
        (f"{'f' * 16}-1", "the event log was restored", "事件日志已恢复"),
        (None, "there is no event", "还没有事件"),
    ):
        if after is None:
            after = (await admin("GET", "/api/v1/events")).body["next"].partition("-")[0] + "-999999"
        for headers, expected in (({}, english), (CHINESE, chinese)):
            page = await admin("GET", f"/api/v1/events?after={after}", headers=headers)
            assert page.body["notice"]["detail"].startswith(expected)
            assert page.headers.get("Content-Language") == ("zh" if headers else None)
