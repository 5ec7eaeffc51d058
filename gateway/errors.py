"""Every failure that the gateway reports, as one tree.

::

    GatewayError
    ├── SettingsError              the start is refused: a setting is wrong
    ├── StateError                 the state directory cannot be used: the start is refused, or a write failed
    │   └── DiskFull               there is no room for what was to be written
    └── Problem                    answered to a caller, and said by a command
        ├── InvalidRequest         400 invalid_request
        ├── Unauthorized           401 unauthorized
        ├── Forbidden              403 forbidden
        ├── NotFound               404 not_found
        ├── Conflict               409 conflict
        │   └── NotManaged         409 not_managed
        ├── TooLarge               413 too_large
        ├── VendorRefused          422 vendor_refused
        ├── RateLimited            429 rate_limited
        ├── CameraUnreachable      502 camera_unreachable
        ├── CameraUntrusted        502 camera_untrusted
        ├── CloudUnreachable       502 cloud_unreachable
        ├── CloudRejectedCredentials  502 cloud_rejected_credentials
        ├── PeerTimeout            504 timeout
        └── OutboxFull             507 outbox_full

Other libraries' exceptions are translated at one place per boundary: `gateway.cameras.connection` for cameras and
`gateway.cloud.client` for the cloud.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class GatewayError(Exception):
    """The root: something that a person or a caller can be told about."""


class SettingsError(GatewayError):
    """A settings file or variable is wrong; the text names the file, the key and the reason."""


class StateError(GatewayError):
    """The state directory or its database cannot be used; the text says why and what to do."""


class DiskFull(StateError):
    """There is no room left on the disk that holds the state."""


class Problem(GatewayError):
    """A failure with a machine-readable code, rendered as `application/problem+json` (RFC 9457).

    `detail` tells in one sentence what happened, to what, and what to do next. It never holds a secret.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def members(self) -> Mapping[str, Any]:
        """Members of the problem document beyond the standard ones."""
        return {}


class FieldError(NamedTuple):
    """One thing that is wrong with a request: which parameter, and why."""

    parameter: str
    reason: str


class InvalidRequest(Problem):
    """The request is wrong in itself; nothing was sent anywhere."""

    code, status, title = "invalid_request", 400, "The request is not valid"

    def __init__(self, field_errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{one.parameter}: {one.reason}" for one in field_errors))
        self.field_errors = tuple(field_errors)

    @property
    def members(self) -> Mapping[str, Any]:
        """The field errors, as `errors`."""
        return {"errors": [one._asdict() for one in self.field_errors]}


class Unauthorized(Problem):
    """The caller showed no token, or one that is not known."""

    code, status, title = "unauthorized", 401, "A valid token is needed"


class Forbidden(Problem):
    """The caller's token has too small a scope."""

    code, status, title = "forbidden", 403, "The token's scope does not allow this"


class NotFound(Problem):
    """Nothing is known by that name."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(Problem):
    """The request contradicts the present state."""

    code, status, title = "conflict", 409, "The request conflicts with the present state"


class NotManaged(Conflict):
    """The camera is only found; a person has to make it ours first."""

    code, title = "not_managed", "The camera is not managed"


class TooLarge(Problem):
    """The request is larger than the vendor accepts."""

    code, status, title = "too_large", 413, "The request is too large"


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
        """What the vendor said: its code, the code's meaning for this endpoint, and its whole answer."""
        return {
            "vendor_code": self.vendor_code,
            "vendor_meaning": self.vendor_meaning,
            "vendor_answer": self.vendor_answer,
        }


class RateLimited(Problem):
    """Too many requests; `retry_after_s` tells in how many seconds to try again."""

    code, status, title = "rate_limited", 429, "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class CameraUnreachable(Problem):
    """The camera does not answer, or not in the way a camera does."""

    code, status, title = "camera_unreachable", 502, "The camera cannot be reached"


class CameraUntrusted(Problem):
    """The camera shows another certificate than the remembered one, or is not the camera it should be."""

    code, status, title = "camera_untrusted", 502, "The camera is not trusted"

    def __init__(self, detail: str, *, certificate_sha256: str | None = None) -> None:
        super().__init__(detail)
        self.certificate_sha256 = certificate_sha256

    @property
    def members(self) -> Mapping[str, Any]:
        """The certificate that was shown, for a person to compare."""
        return {} if self.certificate_sha256 is None else {"certificate_sha256": self.certificate_sha256}


class CloudUnreachable(Problem):
    """The cloud does not answer, or answers with a server error or garbage.

    `retry_after_s` is in how many seconds it asks to be tried again, where it said so.
    """

    code, status, title = "cloud_unreachable", 502, "The cloud cannot be reached"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class CloudRejectedCredentials(Problem):
    """The cloud refused the signature: app_id or secret_key are wrong."""

    code, status, title = "cloud_rejected_credentials", 502, "The cloud rejected the gateway's credentials"


class PeerTimeout(Problem):
    """A camera or the cloud took longer than the time allowed."""

    code, status, title = "timeout", 504, "No answer in time"


class OutboxFull(Problem):
    """There is no room to keep a call for the cloud; nothing of it was accepted."""

    code, status, title = "outbox_full", 507, "The outbox is full"
