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
        ├── RequestTimeout         408 request_timeout
        ├── Conflict               409 conflict
        │   └── NotManaged         409 not_managed
        ├── TooLarge               413 too_large
        ├── Misdirected            421 misdirected
        ├── VendorRefused          422 vendor_refused
        │   └── CloudRefusedAccount  422 vendor_refused
        ├── RateLimited            429 rate_limited
        ├── CameraUnreachable      502 camera_unreachable
        │   └── CameraResponseMalformed  502 camera_response_malformed
        ├── CameraUntrusted        502 camera_untrusted
        ├── CloudUnreachable       502 cloud_unreachable
        │   └── CloudResponseMalformed  502 cloud_unreachable
        ├── CloudRejectedCredentials  502 cloud_rejected_credentials
        ├── Overloaded             503 overloaded
        │   └── StorageFailed      503 overloaded
        ├── PeerTimeout            504 timeout
        └── OutboxFull             507 outbox_full

The exceptions of other libraries are translated in one place for each boundary: in `gateway.cameras.connection` for
cameras, and in `gateway.cloud.client` for the cloud. Some packages subclass these for their own callers, such as
`gateway.cameras.connection.CameraConnectionLost`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


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
    outbox_id: str | None = None
    """The queued call that failed, as the outbox names it; None if there is none."""

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

    code, status, title = "invalid_request", 400, "The request is not valid"

    def __init__(self, field_errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{one.parameter}: {one.reason}" for one in field_errors))
        self.field_errors = tuple(field_errors)

    @property
    def members(self) -> Mapping[str, Any]:
        """The field errors, as `errors`."""
        return {"errors": [one._asdict() for one in self.field_errors]}


class Unauthorized(Problem):
    """The caller sent no token, or an unknown one."""

    code, status, title = "unauthorized", 401, "A valid token is needed"


class Forbidden(Problem):
    """The caller may not do this: the token's scope does not cover it, or the settings forbid it."""

    code, status, title = "forbidden", 403, "The token's scope does not allow this"


class NotFound(Problem):
    """There is nothing of that name."""

    code, status, title = "not_found", 404, "Not found"


class RequestTimeout(Problem):
    """The request did not arrive as a whole in time."""

    code, status, title = "request_timeout", 408, "The request took too long to arrive"


class Conflict(Problem):
    """The request contradicts the present state."""

    code, status, title = "conflict", 409, "The request conflicts with the present state"


class NotManaged(Conflict):
    """The camera was only found. A person has to add it first."""

    code, title = "not_managed", "The camera is not managed"


class TooLarge(Problem):
    """The request is larger than the vendor accepts."""

    code, status, title = "too_large", 413, "The request is too large"


class Misdirected(Problem):
    """The request is for a host that is not this gateway, as a page of an attacker's domain sends it."""

    code, status, title = "misdirected", 421, "Unknown host name for this gateway"


class VendorRefused(Problem):
    """A camera or the cloud understood the call and refused it."""

    code, status, title = "vendor_refused", 422, "The vendor refused the call"

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

    code, status, title = "rate_limited", 429, "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        """In how many seconds to try again."""


class CameraUnreachable(Problem):
    """The camera does not respond."""

    code, status, title = "camera_unreachable", 502, "The camera cannot be reached"


class CameraResponseMalformed(CameraUnreachable):
    """The camera is there, and responds with something that is not a camera's response."""

    code, title = "camera_response_malformed", "The camera's response cannot be read"


class CameraUntrusted(Problem):
    """The camera has another certificate than the pinned one, or another serial number than expected."""

    code, status, title = "camera_untrusted", 502, "The camera is not trusted"

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

    code, status, title = "cloud_unreachable", 502, "The cloud cannot be reached"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        """In how many seconds to try again; None if the cloud does not say."""


class CloudResponseMalformed(CloudUnreachable):
    """The cloud took the request, and responded with something that cannot be read: the outcome is not known."""


class CloudRejectedCredentials(Problem):
    """The cloud rejected the signature: app_id or secret_key are wrong."""

    code, status, title = "cloud_rejected_credentials", 502, "The cloud rejected the gateway's credentials"


class Overloaded(Problem):
    """The gateway has no room for the request now."""

    code, status, title = "overloaded", 503, "The gateway is overloaded"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        """In how many seconds to try again."""


class StorageFailed(Overloaded):
    """The database cannot be read or written now. Nothing was accepted."""

    title = "The gateway cannot use its database"


class PeerTimeout(Problem):
    """A camera or the cloud did not respond in time, or a queued call expired."""

    code, status, title = "timeout", 504, "No answer in time"


class OutboxFull(Problem):
    """The outbox has no space for a call. Nothing of it was accepted."""

    code, status, title = "outbox_full", 507, "The outbox is full"
