"""What systems and libraries say is in the language of the person too: errors of files, networks, TLS, JSON, TOML."""

import errno
import json
import os
import re
import socket
import sqlite3
import ssl
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from firmware_tools.language import Language, describe_error, fill, message, recognise, template, translate
from gateway.api import bodies, events, flow, tokens, webhooks
from gateway.api import outbox as outbox_calls
from gateway.api.query import Query
from gateway.api.validation import RequestModel, invalid_request
from gateway.outbox import reasons
from gateway.settings import Settings, describe_errors
from gateway.validation_texts import describe_validation_error

LATIN_SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
MODULES = (bodies, events, flow, tokens, webhooks, outbox_calls)
MODELS = sorted(
    {
        model
        for module in MODULES
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, RequestModel) and model.model_fields
    },
    key=lambda model: model.__name__,
)
SECTIONS = sorted(
    (field.annotation for field in Settings.model_fields.values() if isinstance(field.annotation, type)),
    key=lambda model: model.__name__,
)
WRONG: tuple[Any, ...] = (
    None, "", "x", "x" * 5000, "\ud800", "0", "1.5", -1, 0, 1.5, 10**30, float("nan"), float("inf"), True, [], ["x"],
    [None], ["x"] * 300, {}, {"x": None}, {"x": {"x": 1}},
)  # fmt: skip
"""Values of which each field refuses some."""


def in_chinese(text: str) -> str:
    return translate(text, Language.CHINESE)


def fail(action: Callable[[], object]) -> Exception:
    try:
        action()
    except Exception as exc:
        return exc
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("number", sorted({
    errno.EPERM, errno.ENOENT, errno.EIO, errno.EACCES, errno.EEXIST, errno.ENODEV, errno.ENOTDIR, errno.EISDIR,
    errno.EMFILE, errno.ENOSPC, errno.EROFS, errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENETUNREACH,
    errno.ECONNRESET, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EHOSTUNREACH,
}), ids=errno.errorcode.get)  # fmt: skip
def test_an_error_of_the_system_is_told_by_its_number(number: int) -> None:
    error = OSError(number, f"Connect call failed {number}", "/a/file")
    assert describe_error(error) == os.strerror(number)
    chinese = in_chinese(message("{path}: cannot be read: {reason}", path="/a/file", reason=error))
    assert not LATIN_SENTENCE.search(chinese), chinese


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), BrokenPipeError()])
def test_an_error_of_a_connection_without_a_text_is_told_by_its_kind(error: OSError) -> None:
    assert describe_error(error)
    assert in_chinese(describe_error(error)) != describe_error(error)


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_that_cannot_be_looked_up(number: int) -> None:
    assert not LATIN_SENTENCE.search(in_chinese(describe_error(socket.gaierror(number, "Name or service"))))


def test_a_certificate_that_is_not_trusted() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL] certificate verify failed")
    for text in ("self-signed certificate in certificate chain", "certificate has expired",
                 "Hostname mismatch, certificate is not valid for 'shop.example'."):  # fmt: skip
        error.verify_message = text
        assert not LATIN_SENTENCE.search(in_chinese(describe_error(error))), text
    assert describe_error(error) == "it is for another name than shop.example"


@pytest.mark.parametrize("text", ["", "a", "a =", "a = [", "a = 1\na = 2", "[a", 'a = "', "a = x", "= 1", "a = 1 b"])
def test_toml_that_is_not_valid(text: str) -> None:
    if text:
        told = in_chinese(describe_error(fail(lambda: tomllib.loads(text))))
        assert not LATIN_SENTENCE.search(told), told


@pytest.mark.parametrize("text", ["", "{", "[1", "[1,]", '{"a"}', '{"a":1,}', "[] []", '["', '["\n"]', "nul"])
def test_json_that_is_not_valid(text: str) -> None:
    told = in_chinese(describe_error(fail(lambda: json.loads(text))))
    assert not LATIN_SENTENCE.search(told), told


def test_text_in_another_encoding() -> None:
    error = fail(lambda: b"caf\xe9".decode())
    assert describe_error(error) == "is not utf-8 at character 3"
    assert "编码" in in_chinese(describe_error(error))


def test_a_database_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file.db"
    file.write_bytes(b"no database" * 100)
    error = fail(lambda: sqlite3.connect(file).execute("SELECT * FROM sqlite_schema"))
    assert in_chinese(describe_error(error)) == "文件不是数据库"


def collect_errors(model: type[BaseModel]) -> list[Any]:
    """Return the errors of many wrong values of each field, and of fields that are missing or unknown."""
    documents: list[Any] = [{}, {"unknown": 1}]
    wrong = [value for value in WRONG if isinstance(value, str) or not issubclass(model, Query)]
    documents += [{field.alias or name: value} for name, field in model.model_fields.items() for value in wrong]
    found = []
    for document in documents:
        try:
            model.model_validate(document)
        except ValidationError as exc:
            found += exc.errors()
    return found


@pytest.mark.parametrize("model", [*MODELS, *SECTIONS, Settings], ids=lambda model: model.__name__)
def test_what_is_wrong_with_a_value_is_told_in_both_languages(model: type[BaseModel]) -> None:
    errors = collect_errors(model)
    assert errors
    for error in errors:
        told = describe_validation_error(error)
        assert "Input" not in told, error
        chinese = in_chinese(told)
        assert chinese != told, error
        assert not LATIN_SENTENCE.search(chinese), chinese


def test_a_refused_call_and_refused_settings_are_told_in_chinese() -> None:
    call = fail(lambda: bodies.DiscoveryBody.model_validate({"timeout_s": -1}))
    assert isinstance(call, ValidationError)
    assert "必须" in in_chinese(invalid_request(bodies.DiscoveryBody, call).detail)
    settings = fail(lambda: Settings(server={"port": "x"}))  # type: ignore[arg-type]  # what a file may say
    assert isinstance(settings, ValidationError)
    assert in_chinese(describe_errors(settings)) == "server.port：必须是整数"


@pytest.mark.parametrize(
    "text",
    [
        reasons.DROPPED,
        reasons.NO_OBJECT,
        "the cloud does not know this product (not_exist_list)",
        str(fill(reasons.NO_SENDING, reason=fill(reasons.UNKNOWN_ENDPOINT, path="'old/one'"))),
        str(fill(reasons.TOO_LARGE, size=9, max_bytes=8)),
        str(fill(reasons.UNREADABLE, reason="Expecting value (line 1, column 1)")),
    ],
)
def test_a_stored_reason_is_shown_in_chinese(text: str) -> None:
    shown = reasons.recognise_reason(text)
    assert shown == text
    assert in_chinese(shown) != text
    assert not LATIN_SENTENCE.search(in_chinese(shown))


def test_a_text_of_strangers_stays_as_it_is() -> None:
    known = [template("it cannot be sent: {reason}")]
    for text in ("{0.__class__}", "a { b", "it cannot be sent", ""):
        assert in_chinese(recognise(text, known)) == text
    assert recognise("it cannot be sent: {x}", known) == "it cannot be sent: {x}"
