"""Calls as code to paste: for curl, Python and JavaScript, with nothing to install but these."""

import json
import pprint
import re
import shlex
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

ADDRESS: Final = "http://gateway.invalid"
"""Stands for the gateway's address in cached pages."""
TOKEN: Final = "YOUR_TOKEN"  # noqa: S105  stands for one
"""Stands for the caller's token."""

_PLACEHOLDER: Final = re.compile(r"\{(\w+)[^}]*\}")
_STREAM: Final = "text/event-stream"


_CHECK_IN_PYTHON: Final = """import base64, hashlib, hmac, time

def is_genuine(headers: dict[str, str], body: bytes, secret: str) -> bool:
    \"\"\"Tell whether an event comes from the gateway. `secret` is what adding the webhook returned.\"\"\"
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False  # a recorded one, sent again
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(expected, headers["webhook-signature"])
"""
_CHECK_IN_JAVASCRIPT: Final = """import { createHmac, timingSafeEqual } from "node:crypto";

// Whether an event comes from the gateway. `body` is a Buffer, `secret` what adding the webhook returned.
export function isGenuine(headers, body, secret) {
  if (Math.abs(Date.now() / 1000 - headers["webhook-timestamp"]) > 300) return false;  // a recorded one, sent again
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const head = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`;
  const expected = Buffer.from("v1," + createHmac("sha256", key).update(head).update(body).digest("base64"));
  const given = Buffer.from(headers["webhook-signature"]);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
"""


class CodeExample(NamedTuple):
    """A call as code."""

    language: str
    """The name of the language."""
    code: str
    """The code."""


@dataclass(frozen=True, slots=True)
class ExampleCall:
    """A call that examples make."""

    method: str
    """The HTTP method."""
    path: str
    """The path with its placeholders, and the query."""
    needs_token: bool
    """Whether it carries a token."""
    body: Any = None
    """The JSON body; None if there is none."""
    files: tuple[str, ...] = ()
    """The parameters that are files; then the body is a form."""
    returns_json: bool = True
    """Whether the response is JSON."""
    is_stream: bool = False
    """Whether the response is a stream of events."""

    @property
    def url(self) -> str:
        """The address, with a name in capitals for each placeholder."""
        return ADDRESS + _PLACEHOLDER.sub(lambda match: f"YOUR_{match[1].upper()}", self.path)

    @property
    def headers(self) -> dict[str, str]:
        """The headers."""
        headers = {"Authorization": f"Bearer {TOKEN}"} if self.needs_token else {}
        if self.is_stream:
            headers["Accept"] = _STREAM
        if self.body is not None and not self.files:
            headers["Content-Type"] = "application/json"
        return headers


def make_code_examples(call: ExampleCall) -> list[CodeExample]:
    """Return the call in each language."""
    return [
        CodeExample("curl", _write_curl(call)),
        CodeExample("Python", _write_python_form(call) if call.files else _write_python(call)),
        CodeExample("JavaScript", _write_javascript(call)),
    ]


def make_signature_examples() -> list[CodeExample]:
    """Return the check of a webhook's signature: a function of headers (names in lower case), body and secret."""
    return [CodeExample("Python", _CHECK_IN_PYTHON), CodeExample("JavaScript", _CHECK_IN_JAVASCRIPT)]


def _write_curl(call: ExampleCall) -> str:
    sends = call.body is not None or bool(call.files)
    method = "" if call.method == ("POST" if sends else "GET") else f" -X {call.method}"
    parts = [f"curl {'-N' if call.is_stream else '-sS'}{method} {shlex.quote(call.url)}"]
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    if call.files:
        texts = {name: _format_json(value) for name, value in (call.body or {}).items()}
        parts += [f"-F {shlex.quote(f'{name}={text}')}" for name, text in texts.items()]
        parts += [f"-F {name}=@picture.png" for name in call.files]
    elif call.body is not None:
        parts.append(f"-d {shlex.quote(json.dumps(call.body, ensure_ascii=False, indent=2))}")
    return " \\\n  ".join(parts)


def _write_python(call: ExampleCall) -> str:
    sends_json = call.body is not None
    uses_json = sends_json or (call.returns_json and not call.is_stream)
    imports = ["import json", "import urllib.request"] if uses_json else ["import urllib.request"]
    arguments = [repr(call.url), f"method={call.method!r}"]
    if call.headers:
        arguments.append(f"headers={_format_python(call.headers)}")
    if sends_json:
        arguments.append(f"data=json.dumps({_format_python(call.body)}).encode()")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return "\n".join(imports) + f"\n\nrequest = urllib.request.Request(\n{lines})\n" + _read_in_python(call)


def _read_in_python(call: ExampleCall) -> str:
    head = "with urllib.request.urlopen(request) as response:\n"
    if call.is_stream:
        return f'{head}    for line in response:\n        print(line.decode(), end="")\n'
    return f"{head}    print(response.status, {'json.load(response)' if call.returns_json else 'response.read()'})\n"


def _write_python_form(call: ExampleCall) -> str:
    fields = {name: _format_json(value) for name, value in (call.body or {}).items()}
    return f"""import json
import pathlib
import urllib.request
import uuid

boundary = uuid.uuid4().hex
form = b""
for name, text in {_format_python(fields)}.items():
    form += f'--{{boundary}}\\r\\nContent-Disposition: form-data; name="{{name}}"\\r\\n\\r\\n{{text}}\\r\\n'.encode()
for name in {list(call.files)!r}:
    head = f'--{{boundary}}\\r\\nContent-Disposition: form-data; name="{{name}}"; filename="picture.png"\\r\\n\\r\\n'
    form += head.encode() + pathlib.Path("picture.png").read_bytes() + b"\\r\\n"
form += f"--{{boundary}}--\\r\\n".encode()
headers = {_format_python(call.headers)}
headers["Content-Type"] = f"multipart/form-data; boundary={{boundary}}"
request = urllib.request.Request({call.url!r}, form, headers)
{_read_in_python(call)}"""


def _write_javascript(call: ExampleCall) -> str:
    options: list[str] = []
    if call.method != "GET":
        options.append(f"method: {json.dumps(call.method)}")
    if call.headers:
        options.append(f"headers: {json.dumps(call.headers)}")
    head = ""
    if call.files:
        fields = {name: _format_json(value) for name, value in (call.body or {}).items()}
        lines = [f"form.append({json.dumps(name)}, {json.dumps(text)});" for name, text in fields.items()]
        lines += [f'form.append({json.dumps(name)}, file);  // from an <input type="file">' for name in call.files]
        head = "\n".join(["const form = new FormData();", *lines, ""])
        options.append("body: form")
    elif call.body is not None:
        options.append(f"body: JSON.stringify({_indent(json.dumps(call.body, ensure_ascii=False, indent=2))})")
    given = f", {{\n{''.join(f'  {option},{chr(10)}' for option in options)}}}" if options else ""
    fetched = f"{head}const response = await fetch({json.dumps(call.url)}{given});\n"
    if call.is_stream:
        return (
            f"{fetched}for await (const text of response.body.pipeThrough(new TextDecoderStream())) {{\n"
            "  console.log(text);\n}\n"
        )
    return f"{fetched}console.log(response.status, await response.{'json' if call.returns_json else 'text'}());\n"


def _format_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _format_python(value: Any) -> str:
    return _indent(pprint.pformat(value, width=76, sort_dicts=False))


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")
