"""What is redacted in logs and support bundles, and what is left alone."""

import io
import json
import logging
from urllib.parse import quote, urlencode

import pytest

from gateway.runtime.logs.handlers import LogfmtHandler
from gateway.runtime.redaction import Redactor

TOKEN = "sgw_Rk9vYmFyQmF6UXV4_1234567890-abcdefghijklmnop"
SESSION = "sgs_FgG19kCNTBPTJHyEulhE1cp5oK30hAcUrWCKmIclByw"
WEBHOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TICKET = "NDMyMDA6dGlsbCAx." + "0123456789abcdef" * 4
KEY = 'kd/s "QZQZ\\k+ü%'


@pytest.fixture
def redactor() -> Redactor:
    return Redactor([KEY, "", "ab"])


@pytest.mark.parametrize(
    "text",
    [KEY, f"signed with {KEY}.", repr(KEY), repr(KEY.encode()), json.dumps({"x": KEY}), urlencode({"x": KEY}),
     json.dumps(KEY, ensure_ascii=False), quote(KEY).lower()],
)  # fmt: skip
def test_known_values_are_redacted_in_every_encoding(redactor: Redactor, text: str) -> None:
    shown = redactor.redact(text)
    assert "********" in shown
    assert "QZQZ" not in shown


@pytest.mark.parametrize(
    "text",
    [TOKEN, SESSION, f"Cookie: session_c04f5d9cda20={SESSION}; language=zh",
     f"Authorization: Bearer {TOKEN}", WEBHOOK, f"GET /api/v1/events?ticket={TICKET}", TICKET,
     "Bearer abcdefghijklmnop", "password=hush-hush&ssid=shop", '{"password": "hush-hush", "ssid": "shop"}',
     "{'password': 'hush-hush'}", "activation_number=800000000000000000000002", "ActivationNumber: 80000000000",
     "sign=0A1B2C3D4E5F", '"sign":"0A1B2C3D4E5F"', 'secret_key = "hush-hush"', "psk=hush-hush",
     "wifi_password=hush-hush", "wifiPassword: hush-hush",
     r'body: "{\"password\":\"hush-hush\"}"', "client_certificate_password=hush-hush",
     "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nhush\n-----END PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----\nhush"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_redacted(redactor: Redactor, text: str) -> None:
    shown = redactor.redact(text)
    assert "********" in shown
    for part in (TOKEN, SESSION, TICKET, WEBHOOK, "hush", "abcdefghijklmnop", "80000000", "0A1B2C3D", "MIIEvQ"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    ["the cloud refused order/update with code 5: sign wrong", "the token 'till 1' was revoked", "about tables",
     "the secret key is asked", "a ab is too short to know",
     "check cloud.app_id, cloud.secret_key and cloud.environment", "designed: yes", "path=/api/v1/tokens status=200",
     "C201D0000001 at 192.168.1.5:443", "certificate " + "0123456789abcdef" * 4, "monkey=5"],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(redactor: Redactor, text: str) -> None:
    assert redactor.redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password: abc, ssid: x", "password: ********, ssid: x"),
        ("secret_key = 'a b c' next", "secret_key = ******** next"),
        ('{"activation_number":"81", "sn":"FS1"}', '{"activation_number":********, "sn":"FS1"}'),
        ("sign=72CB1C10&sn=FS1", "sign=********&sn=FS1"),
        ("sgw_abcdefghijklmnop", "********"),
        ("-----BEGIN EC PRIVATE KEY-----\ncut off", "********"),
        (f"{KEY} twice {KEY}", "******** twice ********"),
    ],
)
def test_what_stands_around_a_secret_stays(redactor: Redactor, text: str, redacted: str) -> None:
    assert redactor.redact(text) == redacted


def test_documents_are_redacted_in_depth(redactor: Redactor) -> None:
    document = {KEY: [{"a": f"the key {KEY}"}, 5, None], "ab": "ab"}
    assert redactor.redact_document(document) == {"********": [{"a": "the key ********"}, 5, None], "ab": "ab"}


def test_no_part_of_a_line_gets_past(redactor: Redactor) -> None:
    stream = io.StringIO()
    log = logging.Logger("gateway.test")
    log.addHandler(LogfmtHandler(redactor, stream))
    try:
        try:
            raise KeyError(KEY)
        except KeyError as exc:
            raise RuntimeError({"password": "hush-hush", "token": TOKEN}) from exc
    except RuntimeError:
        log.exception("%s for %s", TOKEN, {"k": KEY}, extra={"fields": {"body": f"sign=0A1B2C3D&x={KEY}"}})
    shown = stream.getvalue()
    assert shown.count("********") >= 6
    for part in (KEY, "QZQZ", "hush", TOKEN[:12], "0A1B2C3D"):
        assert part not in shown, shown


@pytest.mark.parametrize("repeated", ["a", "_", "-_", "0aB", "password", "secret_", 'key="', r"password=\"", "bearer "])
def test_a_long_text_of_others_takes_no_longer_for_each_character(redactor: Redactor, repeated: str) -> None:
    size = 1_000_000
    text = (repeated * size)[:size]
    assert len(redactor.redact(text)) > 0, "time by the square of its length would be most of a day"
