"""A capture: what a camera answers to every read, and its discovery frames, redacted and in a form to be replayed.

It is there to turn what is inferred about cameras into facts. Beside the answers it tells how they came: the HTTP
status, whether there was a `Date`, whether connections stay open, whether a frame to the camera alone is answered at
all, and whether the answer goes to the asker or to everyone. Format 1::

    {format, gateway, sn, model, software_version, activation,
     tls: {version, certificate_sha256},
     reads: [{path, auth, status, date, keep_alive, kept_connection, answer} or {path, auth, problem}],
     frames: [{asked, answered, source_port, version, type, length, payload, frame} or {…, bytes, header, problem}]}

`keep_alive` is what an answer says of its connection, and `kept_connection` whether the call went over one that was
open already. `answer` is the whole body, null where it is no JSON object. `problem` is the code of a failure that left
nothing to record. `asked` and `answered` are "host" or "everyone". `frame` is the redacted frame in hexadecimal digits.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from gateway import __version__
from gateway.cameras.cameras import Cameras
from gateway.cameras.capture_redaction import CaptureRedactor
from gateway.cameras.connection import CallOutcomeUnknown, HttpResponse
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.discovery.frames import RawFrame
from gateway.discovery.scan import Discovery
from gateway.errors import Conflict, NotManaged, Problem
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import BROADCAST_PORT, FRAME_HEADER, MalformedFrame, decode_frame, encode_frame
from gateway.protocol.endpoint import Endpoint

FORMAT: Final = 1
_LISTEN_S: Final = 3.0
"""How long the camera's frames are waited for, as long as the vendor's app does (NOTES: Discovery schedule)."""
_HEADER_BYTES: Final = 8

Asked = Literal["host", "everyone"]


class _Read(NamedTuple):
    endpoint: Endpoint
    response: HttpResponse | None
    problem: Problem | None
    document: dict[str, Any] | None


class _Frame(NamedTuple):
    asked: Asked
    raw: RawFrame
    kind: int
    payload: dict[str, Any] | None
    flaw: str


def reads() -> list[Endpoint]:
    """Return the camera endpoints that take nothing, may be repeated and answer something: they only read."""
    return [
        endpoint
        for endpoint in CATALOGUE.list_endpoints("camera")
        if not endpoint.parameters and endpoint.repeatable and endpoint.response_fields
    ]


def file_name(document: dict[str, Any]) -> str:
    """Return under which name a capture is kept: model and firmware, as `FM020-1.2.6.json`."""
    return f"{document['model'] or 'unknown'}-{document['software_version'] or 'unknown'}.json"


async def capture(sn: str, *, cameras: Cameras, registry: Registry, discovery: Discovery) -> dict[str, Any]:
    """Ask a managed camera everything that can be read, and its discovery frames; return the redacted record, JSON.

    A call that is refused, or to which nothing useful comes, is part of the record; without credentials the signed ones
    are not made. Raises `NotFound`, `NotManaged`, `RateLimited`, and `CameraUnreachable`, `CameraUntrusted` or
    `PeerTimeout` where no connection can be had: a camera that is not there cannot be captured.
    """
    made = [await _read(sn, endpoint, cameras) for endpoint in reads()]
    camera = registry.get(sn)
    frames = [
        _frame(asked, raw)
        for asked in ("host", "everyone")
        for raw in await discovery.frames(camera.address, timeout_s=_LISTEN_S, everyone=asked == "everyone")
    ]
    redactor = CaptureRedactor(_documented())
    redactor.learn({"sn": sn})
    for document in [*(read.document for read in made), *(frame.payload for frame in frames)]:
        redactor.learn(document)
    return {
        "format": FORMAT,
        "gateway": __version__,
        "sn": redactor.text(sn, "sn"),
        "model": redactor.text(camera.model, "model"),
        "software_version": redactor.text(camera.software_version, "software_version"),
        "activation": camera.activation,
        "tls": _tls(camera, made),
        "reads": [_read_record(read, redactor, first=index == 0) for index, read in enumerate(made)],
        "frames": [_frame_record(frame, redactor, discovery.port) for frame in frames],
    }


async def _read(sn: str, endpoint: Endpoint, cameras: Cameras) -> _Read:
    try:
        response = await cameras.call_raw(sn, endpoint.encode({}))
    except NotManaged:
        raise
    except (CallOutcomeUnknown, Conflict) as problem:  # a conflict: there are no credentials
        return _Read(endpoint, None, problem, None)
    return _Read(endpoint, response, None, _json_object(response.body))


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json_text.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _frame(asked: Asked, raw: RawFrame) -> _Frame:
    try:
        kind, payload = decode_frame(raw.data)
    except MalformedFrame as exc:
        return _Frame(asked, raw, 0, None, str(exc))
    return _Frame(asked, raw, kind, payload, "")


def _documented() -> Iterable[str]:
    return {
        step.removesuffix("[]")
        for endpoint in CATALOGUE.list_endpoints("camera")
        for known in endpoint.response_fields
        for step in known.path.split(".")
    }


def _tls(camera: CameraRecord, made: Sequence[_Read]) -> dict[str, Any]:
    versions = (read.response.tls_version for read in made if read.response is not None)
    return {"version": next(versions, None), "certificate_sha256": camera.certificate_sha256}


def _read_record(read: _Read, redactor: CaptureRedactor, *, first: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"path": read.endpoint.path, "auth": read.endpoint.auth}
    if read.response is None:
        return {**asked, "problem": read.problem.code if read.problem is not None else None}
    http = read.response
    how: dict[str, Any] = {"status": http.status, "date": http.date is not None, "keep_alive": http.keep_alive}
    if not first:  # the first one's connection depends on what was called before the capture
        how["kept_connection"] = http.reused_connection
    return {**asked, **how, "answer": redactor.redact(read.document)}


def _frame_record(frame: _Frame, redactor: CaptureRedactor, port: int) -> dict[str, Any]:
    answered = {None: None, True: "everyone", False: "host"}[frame.raw.broadcast]
    # In a test frames have another port; what matters is whether the camera answers from the port that was asked.
    source_port = BROADCAST_PORT if frame.raw.port == port else frame.raw.port
    how: dict[str, Any] = {"asked": frame.asked, "answered": answered, "source_port": source_port}
    data = frame.raw.data
    if frame.payload is None:
        header = data[:_HEADER_BYTES].hex() if data.startswith(FRAME_HEADER) else None  # else it may be anything
        return {**how, "bytes": len(data), "header": header, "problem": frame.flaw}
    payload = redactor.redact(frame.payload)
    made = encode_frame(frame.kind, payload)
    length = int.from_bytes(made[6:_HEADER_BYTES])
    return {
        **how,
        "version": data[4],
        "type": frame.kind,
        "length": length,
        "payload": payload,
        "frame": made.hex(),
    }
