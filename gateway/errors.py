"""The exceptions of the gateway, as one tree.

::

    GatewayError
    ├── SettingsError              the start is refused: a setting is wrong
    ├── NetworkError               the local network cannot be used
    ├── StateError                 the state directory or its database cannot be used
    │   └── DiskFull               the disk has no space left
    └── Problem                    reported to the caller of the REST API, and by commands
        ├── InvalidRequest         400 invalid_request
        ├── Unauthorized           401 unauthorized
        ├── Forbidden              403 forbidden
        ├── NotFound               404 not_found
        ├── MethodNotAllowed       405 method_not_allowed
        ├── RequestTimeout         408 request_timeout
        ├── Conflict               409 conflict
        │   └── NotManaged         409 not_managed
        ├── TooLarge               413 too_large
        ├── UnsupportedMediaType   415 unsupported_media_type
        ├── Misdirected            421 misdirected
        ├── VendorRefused          422 vendor_refused
        │   └── CloudRefusedAccount  422 vendor_refused
        ├── RateLimited            429 rate_limited
        ├── InternalError          500 internal_error
        ├── CameraUnreachable      502 camera_unreachable
        │   └── CameraResponseMalformed  502 camera_response_malformed
        ├── CameraUntrusted        502 camera_untrusted
        ├── CloudUnreachable       502 cloud_unreachable
        │   └── CloudResponseMalformed  502 cloud_unreachable
        ├── CloudRejectedCredentials  502 cloud_rejected_credentials
        ├── Overloaded             503 overloaded
        │   ├── NotServingYet      503 overloaded
        │   └── StorageFailed      503 overloaded
        ├── PeerTimeout            504 timeout
        └── OutboxFull             507 outbox_full

The exceptions of other libraries are translated in one place for each boundary: in `gateway.cameras.connection` for
cameras, and in `gateway.cloud.client` for the cloud. Some packages subclass these for their own callers, such as
`gateway.cameras.connection.CameraConnectionLost`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from firmware_tools.language import join, message


class GatewayError(Exception):
    """The root of all failures that the gateway foresees and reports."""


class SettingsError(GatewayError):
    """A setting is not valid. The text names the file or the variable, the key and the reason."""


class NetworkError(GatewayError):
    """The local network cannot be used: an interface is missing, or a port is taken. The text says why."""


class StateError(GatewayError):
    """The state directory or its database cannot be used. The text says why, and what to do."""


class DiskFull(StateError):
    """The disk of the state directory has no space left."""


class Problem(GatewayError):
    """A failure that the REST API reports as `application/problem+json` (RFC 9457)."""

    code: ClassVar[str]
    """The machine-readable code."""
    status: ClassVar[int]
    """The HTTP status."""
    title: ClassVar[str]
    """What kind of failure it is, in a few words."""
    advice: ClassVar[str]
    """What the caller, or a person, can do about it."""
    outbox_id: str | None = None
    """The queued call that failed, as the outbox names it; None if there is none."""
    is_repeat: bool = False
    """Whether the call was a repeat, and this is what became of the first one."""
    retry_after_s: int | None = None
    """In how many seconds to try again; None if nobody knows."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        """What happened to what, and what to do next, in one sentence without secrets."""

    @property
    def members(self) -> Mapping[str, Any]:
        """Members of the problem document beyond the standard ones."""
        return {}


class FieldError(NamedTuple):
    """What is wrong with one parameter of a request."""

    parameter: str
    """The parameter, or the place inside it."""
    reason: str
    """What is wrong, as in `must have at most 64 characters`."""


class InvalidRequest(Problem):
    """The request is not valid. Nothing was sent to a camera or the cloud."""

    code, status, title = "invalid_request", 400, message("The request is not valid")
    advice = message(
        "Correct the parameters that `errors` names and send the request again. A repeat without a change fails again."
    )

    def __init__(self, field_errors: Sequence[FieldError]) -> None:
        texts = (message("{parameter}: {reason}", parameter=one.parameter, reason=one.reason) for one in field_errors)
        super().__init__(join("; ", texts))
        self.field_errors = tuple(field_errors)

    @property
    def members(self) -> Mapping[str, Any]:
        """The field errors, as `errors`."""
        return {"errors": [one._asdict() for one in self.field_errors]}


class Unauthorized(Problem):
    """The caller sent no token, or an unknown one."""

    code, status, title = "unauthorized", 401, message("A valid token is needed")
    advice = message("Send `Authorization: Bearer TOKEN` with a token that `sunmi-gateway token create` has printed.")


class Forbidden(Problem):
    """The caller may not do this: the token's scope does not cover it, or the settings forbid it."""

    code, status, title = "forbidden", 403, message("The token's scope does not allow this")
    advice = message("Use a token whose scopes cover the call, or change the setting that `detail` names.")


class NotFound(Problem):
    """There is nothing of that name."""

    code, status, title = "not_found", 404, message("Not found")
    advice = message("Check the spelling of the path and of the serial number or id in it; a list shows what there is.")


class MethodNotAllowed(Problem):
    """The path exists, and has no such method."""

    code, status, title = "method_not_allowed", 405, message("Method Not Allowed")
    advice = message("Use one of the methods that the header `Allow` names; `/docs` says what each does.")


class RequestTimeout(Problem):
    """The request did not arrive as a whole in time."""

    code, status, title = "request_timeout", 408, message("The request took too long to arrive")
    advice = message("Send the request again, its body without pauses.")


class Conflict(Problem):
    """The request contradicts the present state."""

    code, status, title = "conflict", 409, message("The request conflicts with the present state")
    advice = message("Read `detail`, bring the present state in line, and send the request again.")


class NotManaged(Conflict):
    """The camera was only found. A person has to add it first."""

    code, title = "not_managed", message("The camera is not managed")
    advice = message("Make the camera managed first: `POST /api/v1/cameras`, or `sunmi-gateway cameras add SN`.")


class TooLarge(Problem):
    """The request is larger than the vendor accepts."""

    code, status, title = "too_large", 413, message("The request is too large")
    advice = message("Send less at once: fewer elements, or a smaller file.")


class UnsupportedMediaType(Problem):
    """The body is not of the media type that the call takes, whatever its `Content-Type` says."""

    code, status, title = (
        "unsupported_media_type",
        415,
        message("The body is of a media type that the call does not take"),
    )
    advice = message("Send a JSON object in UTF-8. What `Content-Type` says is not looked at; what the body is, is.")


class Misdirected(Problem):
    """The request is for a host that is not this gateway, as a page of an attacker's domain sends it."""

    code, status, title = "misdirected", 421, message("Unknown host name for this gateway")
    advice = message("Use the gateway's own name or address, or add the name to `server.hosts` in the settings.")


class VendorRefused(Problem):
    """A camera or the cloud understood the call and refused it."""

    code, status, title = "vendor_refused", 422, message("The vendor refused the call")
    advice = message(
        "Read `vendor_code` and `vendor_meaning` and correct the call. A queued one is corrected at `outbox_id`."
    )

    def __init__(self, detail: str, *, vendor_code: int, vendor_meaning: str, vendor_answer: Any) -> None:
        super().__init__(detail)
        self.vendor_code = vendor_code
        self.vendor_meaning = vendor_meaning
        self.vendor_answer = vendor_answer

    @property
    def members(self) -> Mapping[str, Any]:
        """The vendor's code, its meaning for this endpoint, and the whole response."""
        return {
            "vendor_code": self.vendor_code,
            "vendor_meaning": self.vendor_meaning,
            "vendor_answer": self.vendor_answer,
        }


class CloudRefusedAccount(VendorRefused):
    """The cloud refused the account or the shop, and did not judge the call itself."""


class RateLimited(Problem):
    """There are too many requests: the cloud asks for fewer, or too many calls wait for a camera."""

    code, status, title = "rate_limited", 429, message("Too many requests")
    advice = message("Wait for the seconds that `Retry-After` says, then send the request again.")

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s: int = retry_after_s


class InternalError(Problem):
    """The gateway failed in a way that nobody foresaw: a fault of its own. Its log holds the details."""

    code, status, title = "internal_error", 500, message("The gateway failed")
    advice = message("Try again. If it happens again, report it with the lines of the log that have this `request_id`.")


class CameraUnreachable(Problem):
    """The camera does not respond."""

    code, status, title = "camera_unreachable", 502, message("The camera cannot be reached")
    advice = message("Check the camera's power and network, then try again; `sunmi-gateway doctor` says more.")


class CameraResponseMalformed(CameraUnreachable):
    """The camera is there, and responds with something that is not a camera's response."""

    code, title = "camera_response_malformed", message("The camera's response cannot be read")
    advice = message(
        "Look at what stands at the camera's address. A camera that goes on so needs a restart or newer firmware."
    )


class CameraUntrusted(Problem):
    """The camera has another certificate than the pinned one, or another serial number than expected."""

    code, status, title = "camera_untrusted", 502, message("The camera is not trusted")
    advice = message(
        "Find out why the camera differs. If a person has compared `certificate_sha256`, trust it: `POST "
        "/api/v1/cameras/{{sn}}/trust`."
    )

    def __init__(self, detail: str, *, certificate_sha256: str | None = None, vendor_code: int | None = None) -> None:
        super().__init__(detail)
        self.certificate_sha256 = certificate_sha256
        """The SHA-256 of the certificate that the camera has now; None if it is not the reason."""
        self.vendor_code = vendor_code
        """The code with which the camera refused to prove its identity; None if it is not the reason."""

    @property
    def members(self) -> Mapping[str, Any]:
        """The certificate that the camera has now, for a person to compare."""
        return {} if self.certificate_sha256 is None else {"certificate_sha256": self.certificate_sha256}


class CloudUnreachable(Problem):
    """The cloud does not respond, or with a server error."""

    code, status, title = "cloud_unreachable", 502, message("The cloud cannot be reached")
    advice = message("Check the internet connection. Queued calls are sent again by themselves; repeat others later.")

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class CloudResponseMalformed(CloudUnreachable):
    """The cloud took the request, and responded with something that cannot be read: the outcome is not known."""


class CloudRejectedCredentials(Problem):
    """The cloud rejected the signature: app_id or secret_key are wrong."""

    code, status, title = "cloud_rejected_credentials", 502, message("The cloud rejected the gateway's credentials")
    advice = message("Correct `cloud.app_id` and the secret key in the settings, then restart the gateway.")


class Overloaded(Problem):
    """There is no room for the request now."""

    code, status, title = "overloaded", 503, message("There is no room for this request now")
    advice = message("Wait for the seconds that `Retry-After` says, then send the request again.")

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s: int = retry_after_s


class NotServingYet(Overloaded):
    """A new version proves itself before it serves. Nothing was accepted."""

    title = message("The gateway does not serve yet")
    advice = message("Wait for the seconds that `Retry-After` says, then send the request again.")


class StorageFailed(Overloaded):
    """The database cannot be read or written now. Nothing was accepted."""

    title = message("The gateway cannot use its database")
    advice = message("Free space on the disk, or follow `sunmi-gateway doctor`. Then send the request again.")


class PeerTimeout(Problem):
    """A camera or the cloud did not respond in time, or a queued call expired."""

    code, status, title = "timeout", 504, message("No answer in time")
    advice = message("The outcome is not known: look whether the call had its effect before it is repeated.")


class OutboxFull(Problem):
    """The outbox has no space for a call. Nothing of it was accepted."""

    code, status, title = "outbox_full", 507, message("The outbox is full")
    advice = message("Bring the internet connection back, or drop refused items, then send the call again.")
    retry_after_s = 60


def list_problem_types() -> tuple[type[Problem], ...]:
    """Return the classes that have a code of their own, by status: one for each code."""
    pending, found = [Problem], list[type[Problem]]()
    while pending:
        derived = pending.pop().__subclasses__()
        pending += derived
        found += [one for one in derived if "code" in vars(one)]
    return tuple(sorted(found, key=lambda one: (one.status, one.code)))
