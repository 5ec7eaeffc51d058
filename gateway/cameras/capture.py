"""A capture: a camera's responses to all calls that only read, and its discovery frames, redacted and replayable.

It turns what is inferred about cameras into facts. With each response it records how that came: the HTTP status,
whether there was a `Date`, and whether the connection stays open. Of frames it records whether the camera answers one
that was sent to it alone, and whether the answer goes to one host or to everyone. Format 1::

    {format, gateway, sn, model, software_version, activation,
     tls: {version, certificate_sha256},
     reads: [{path, auth, status, date, keep_alive, kept_connection, answer} or {path, auth, problem}, and raw],
     frames: [{asked, answered, source_port, version, type, length, payload, frame} or {…, bytes, header, problem}]}

`keep_alive` is what a response says of its connection. `kept_connection` is whether the call went over a connection
that was open already. `answer` is the whole body, or null if that cannot be read as a JSON object. `problem` is the
code of a failure that left nothing to record. Of a response that is not JSON as it should be, `raw` has the first bytes
as they were received, redacted byte by byte, in hexadecimal digits. `asked` and `answered` are "host" or "everyone".
`frame` is the redacted frame in hexadecimal digits.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal, NamedTuple

from gateway import __version__
from gateway.cameras.cameras import Cameras
from gateway.cameras.capture_redaction import CaptureRedactor
from gateway.cameras.connection import CallOutcomeUnknown, HttpResponse
from gateway.cameras.raw_redaction import redact_raw
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.discovery.discovery import Discovery
from gateway.discovery.frame_sockets import RawFrame
from gateway.errors import CameraUnreachable, Conflict, NotManaged, PeerTimeout, Problem
from gateway.protocol import json_text, lenient_json
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import BROADCAST_PORT, FRAME_HEADER, MalformedFrame, decode_frame, encode_frame
from gateway.protocol.endpoint import Endpoint

FORMAT: Final = 1
_LISTEN_S: Final = 3.0
"""How long to wait for the camera's frames, as long as the vendor's app does (NOTES: Discovery schedule)."""
_HEADER_LENGTH: Final = 8

Recipient = Literal["host", "everyone"]


class _Read(NamedTuple):
    """One call that only reads, and what came of it."""

    endpoint: Endpoint
    response: HttpResponse | None
    problem: Problem | None
    """The failure that left no response."""
    document: dict[str, Any] | None
    """The body, if it can be read as a JSON object."""
    raw: bytes
    """The response as it was received, if it is not JSON; else empty."""


class _Frame(NamedTuple):
    """One frame that the camera sent."""

    asked: Recipient
    """To whom the request had gone."""
    raw: RawFrame
    kind: int
    """The frame's type."""
    payload: dict[str, Any] | None
    """The decoded payload, None if the frame is malformed."""
    flaw: str
    """Why it is malformed."""


def list_read_endpoints() -> list[Endpoint]:
    """Return the camera endpoints that take no parameter, may be repeated and return something: they only read."""
    return [
        endpoint
        for endpoint in CATALOGUE.list_endpoints("camera")
        if not endpoint.parameters and endpoint.repeatable and endpoint.response_fields
    ]


def make_file_name(document: dict[str, Any]) -> str:
    """Return the file name of a capture: model and firmware, such as `FM020-1.2.6.json`."""
    return f"{document['model'] or 'unknown'}-{document['software_version'] or 'unknown'}.json"


async def capture(sn: str, *, cameras: Cameras, registry: Registry, discovery: Discovery) -> dict[str, Any]:
    """Make all calls that only read, collect the discovery frames, and return the redacted record as JSON.

    A call that is refused or fails is part of the record. Without credentials no signed call is made. Raises
    `NotFound`, `NotManaged`, `RateLimited`, and `CameraUnreachable`, `CameraUntrusted` or `PeerTimeout` if there is no
    connection at all.
    """
    results = [await _read(sn, endpoint, cameras) for endpoint in list_read_endpoints()]
    camera = registry.get(sn)
    frames = [
        _decode_frame(asked, raw)
        for asked in ("host", "everyone")
        for raw in await discovery.collect_raw_frames(
            camera.address, timeout_s=_LISTEN_S, broadcast=asked == "everyone"
        )
    ]
    fields = _documented_fields()
    redactor = CaptureRedactor(fields)
    redactor.learn({"sn": sn})
    for document in [*(read.document for read in results), *(frame.payload for frame in frames)]:
        redactor.learn(document)
    return {
        "format": FORMAT,
        "gateway": __version__,
        "sn": redactor.redact_text(sn, "sn"),
        "model": redactor.redact_text(camera.model, "model"),
        "software_version": redactor.redact_text(camera.software_version, "software_version"),
        "activation": camera.activation,
        "tls": _describe_tls(camera, results),
        "reads": [_describe_read(read, redactor, fields, first=index == 0) for index, read in enumerate(results)],
        "frames": [_describe_frame(frame, redactor, discovery.broadcast_port) for frame in frames],
    }


async def _read(sn: str, endpoint: Endpoint, cameras: Cameras) -> _Read:
    try:
        response = await cameras.call_raw(sn, endpoint.encode({}))
    except NotManaged:
        raise
    except Conflict as problem:  # there are no credentials
        return _Read(endpoint, None, problem, None, b"")
    except (CameraUnreachable, PeerTimeout) as problem:
        failed = next((one for one in (problem, problem.__cause__) if isinstance(one, CallOutcomeUnknown)), None)
        if failed is None:
            raise
        return _Read(endpoint, None, problem, None, failed.received)
    document, is_json = _parse_object(response.body)
    return _Read(endpoint, response, None, document, b"" if is_json else response.received)


def _parse_object(body: bytes) -> tuple[dict[str, Any] | None, bool]:
    """Return the object in a body, and whether the body is JSON as it should be."""
    try:
        document = json_text.make_encodable(json_text.loads(body))
    except (ValueError, RecursionError):
        pass
    else:
        return (document, True) if isinstance(document, dict) else (None, False)
    try:
        return lenient_json.loads(body).value, False
    except ValueError:
        return None, False


def _decode_frame(asked: Recipient, raw: RawFrame) -> _Frame:
    try:
        kind, payload = decode_frame(raw.data)
    except MalformedFrame as exc:
        return _Frame(asked, raw, 0, None, str(exc))
    return _Frame(asked, raw, kind, payload, "")


def _documented_fields() -> Collection[str]:
    return {
        step.removesuffix("[]")
        for endpoint in CATALOGUE.list_endpoints("camera")
        for known in endpoint.response_fields
        for step in known.path.split(".")
    }


def _describe_tls(camera: CameraRecord, results: Sequence[_Read]) -> dict[str, Any]:
    versions = (read.response.tls_version for read in results if read.response is not None)
    return {"version": next(versions, None), "certificate_sha256": camera.certificate_sha256}


def _describe_read(read: _Read, redactor: CaptureRedactor, fields: Collection[str], *, first: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"path": read.endpoint.path, "auth": read.endpoint.auth}
    raw: dict[str, Any] = {}
    if read.raw:
        raw["raw"] = redact_raw(read.raw, fields, secret=read.endpoint.has_secret_fields).hex()
    if read.response is None:
        return {**record, "problem": read.problem.code if read.problem is not None else None, **raw}
    http = read.response
    record |= {"status": http.status, "date": http.date is not None, "keep_alive": http.keep_alive}
    if not first:  # the first one's connection depends on what was called before the capture
        record["kept_connection"] = http.reused_connection
    return {**record, "answer": redactor.redact(read.document), **raw}


def _describe_frame(frame: _Frame, redactor: CaptureRedactor, port: int) -> dict[str, Any]:
    answered = {None: None, True: "everyone", False: "host"}[frame.raw.broadcast]
    # In a test frames have another port. What matters is whether the camera answers from the port that was asked.
    source_port = BROADCAST_PORT if frame.raw.port == port else frame.raw.port
    record: dict[str, Any] = {"asked": frame.asked, "answered": answered, "source_port": source_port}
    data = frame.raw.data
    if frame.payload is None:
        header = data[:_HEADER_LENGTH].hex() if data.startswith(FRAME_HEADER) else None  # else it may be anything
        return {**record, "bytes": len(data), "header": header, "problem": frame.flaw}
    payload = redactor.redact(frame.payload)
    encoded = encode_frame(frame.kind, payload)
    return {
        **record,
        "version": data[4],
        "type": frame.kind,
        "length": int.from_bytes(encoded[6:_HEADER_LENGTH]),
        "payload": payload,
        "frame": encoded.hex(),
    }
