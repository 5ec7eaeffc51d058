"""Return codes of cameras and of the cloud, with their meanings.

No public page gives the camera's meanings: all but 0 are inferred (NOTES: Camera return codes).
The vendor reuses numbers, so an endpoint may state its own meaning (NOTES: Cloud codes).
"""

from collections.abc import Mapping

from gateway.protocol.endpoint import ReturnCode

CAMERA_SIGNATURE_REFUSED = 5
CAMERA_TIME_REFUSED = 3
CAMERA_ALREADY_ACTIVATED = 12
CAMERA_CALLBACK_REFUSED = 311

_CAMERA_MEANINGS: Mapping[int, str] = {
    1: "general or internal failure",
    2: "a parameter is missing or malformed",
    3: "the public parameters or the timestamp were refused",
    4: "activation refused: already activated",
    5: "the signature is wrong",
    7: "not activated, or activated by another app_id",
    8: "activation refused: wrong serial number",
    9: "activation refused: wrong activation number",
    10: "activation refused: app_id rejected",
    11: "activation refused: the camera cannot reach the cloud",
    12: "already activated, so unsigned calls are refused",
    100: "the SSID is invalid",
    101: "the password is invalid",
    110: "the zoom is out of range, or the lens failed",
    111: "the focus is out of range, or the lens failed",
    112: "the focus point is out of range, or the lens failed",
    113: "the IR mode is invalid",
    114: "the motion level is invalid",
    115: "the audio level is invalid",
    116: "the weekdays are invalid",
    117: "the time range is invalid",
    118: "the name is invalid",
    119: "the LED switch is invalid",
    120: "the rotation is invalid",
    200: "the name, capacity or description of the face group is invalid, or there is such a group already",
    201: "the name, capacity or description of the face group is invalid, or there is such a group already",
    202: "the name, capacity or description of the face group is invalid, or there is such a group already",
    211: "a limit of the face library is exceeded, or there is such a face group already",
    212: "a limit of the face library is exceeded, or there is such a face group already",
    220: "no usable memory card",
    221: "formatting failed, or the card is busy",
    230: "the time range is invalid, or nothing was recorded in it",
    232: "the stream is not available",
    235: "nothing was recorded in the time range, or there is no usable memory card",
    **dict.fromkeys((260, 261, 262, 263, 264, 276, 279), "the customer-flow statistics failed"),
    277: "the resolution is invalid",
    278: "the coordinates are invalid",
    310: "the list of events is invalid",
    311: "the callback address is invalid",
}


def camera_codes(*codes: int) -> tuple[ReturnCode, ...]:
    """Return the given codes with their inferred meanings; 0 is always success."""
    return tuple(
        ReturnCode(0, "success") if code == 0 else ReturnCode(code, _CAMERA_MEANINGS[code], True) for code in codes
    )


CLOUD_SIGN_REFUSED = 5090
CLOUD_TIME_REFUSED = 5091
CLOUD_RANDOM_REFUSED = 5092

CLOUD_ACCOUNT_ERROR_CODES = frozenset({5013, 5027, 5028, 5029, 5041, 5420})
"""Codes about the account, its tokens and services, or the shop: they say nothing of a call's content."""
CLOUD_INTERNAL_ERROR_CODES = frozenset({5000})
"""Codes for a failure inside the cloud, which the call did not cause."""

_SUCCESS = ReturnCode(0, "success")
_CLOUD_COMMON = (
    ReturnCode(CLOUD_SIGN_REFUSED, "invalid sign"),
    ReturnCode(CLOUD_TIME_REFUSED, "invalid timestamp"),
    ReturnCode(CLOUD_RANDOM_REFUSED, "invalid random value"),
)

GENERAL_CLOUD_CODES = (
    _SUCCESS,
    ReturnCode(5000, "database error", True),
    ReturnCode(5013, "invalid SaaS provider or shop", True),
    ReturnCode(5022, "invalid parameter", True),
    ReturnCode(5041, "invalid SaaS provider", True),
    *_CLOUD_COMMON,
)
"""Codes for an endpoint that lists none: the part of the general error list that may apply to it (inferred)."""


def cloud_codes(listed: Mapping[int, str]) -> tuple[ReturnCode, ...]:
    """Return the codes of a cloud endpoint: 0, those it lists, and the signature codes that every endpoint returns."""
    own = (ReturnCode(code, meaning) for code, meaning in listed.items())
    return (_SUCCESS, *own, *_CLOUD_COMMON)
