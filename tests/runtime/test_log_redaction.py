"""The last line before a log: what is replaced there, and what is left alone."""

import io
import json
import logging
from urllib.parse import urlencode

import pytest

from gateway.runtime.logs.handlers import LogfmtHandler
from gateway.runtime.logs.redaction import Redactor

TOKEN = "sgw_Rk9vYmFyQmF6UXV4_1234567890-abcdefghijklmnop"
WEBHOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TICKET = "NDMyMDA6dGlsbCAx." + "0123456789abcdef" * 4
KEY = 'kd/s "QZQZ\\k+ü%'


@pytest.fixture
def secrets() -> Redactor:
    known = Redactor()
    known.add_secrets([KEY, "", "ab"])
    return known


@pytest.mark.parametrize(
    "text",
    [KEY, f"signed with {KEY}.", repr(KEY), repr(KEY.encode()), json.dumps({"x": KEY}), urlencode({"x": KEY}),
     json.dumps(KEY, ensure_ascii=False)],
)  # fmt: skip
def test_known_values_are_hidden_however_they_are_written(secrets: Redactor, text: str) -> None:
    shown = secrets.redact(text)
    assert "********" in shown
    assert "QZQZ" not in shown


@pytest.mark.parametrize(
    "text",
    [TOKEN, f"Authorization: Bearer {TOKEN}", WEBHOOK, f"GET /api/v1/events?ticket={TICKET}", TICKET,
     "Bearer abcdefghijklmnop", "password=hush-hush&ssid=shop", '{"password": "hush-hush", "ssid": "shop"}',
     "{'password': 'hush-hush'}", "activation_number=800000000000000000000002", "ActivationNumber: 80000000000",
     "sign=0A1B2C3D4E5F", '"sign":"0A1B2C3D4E5F"', 'secret_key = "hush-hush"', "psk=hush-hush",
     r'body: "{\"password\":\"hush-hush\"}"', "client_certificate_password=hush-hush",
     "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nhush\n-----END PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----\nhush"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden(secrets: Redactor, text: str) -> None:
    shown = secrets.redact(text)
    assert "********" in shown
    for part in (TOKEN, TICKET, WEBHOOK, "hush", "abcdefghijklmnop", "80000000", "0A1B2C3D", "MIIEvQ"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    ["the cloud refused order/update with code 5: sign wrong", "the token 'till 1' was revoked", "about tables",
     "check cloud.app_id, cloud.secret_key and cloud.environment", "designed: yes", "path=/api/v1/tokens status=200",
     "C201D0000001 at 192.168.1.5:443", "certificate " + "0123456789abcdef" * 4, "monkey=5"],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(secrets: Redactor, text: str) -> None:
    assert secrets.redact(text) == text


def test_no_part_of_a_line_gets_past(secrets: Redactor) -> None:
    stream = io.StringIO()
    log = logging.Logger("gateway.test")
    log.addHandler(LogfmtHandler(secrets, stream))
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
