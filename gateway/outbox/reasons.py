"""Why the gateway itself refuses calls. They are stored as English text, and recognised when they are shown."""

from typing import Final

from firmware_tools.language import recognise, template

DROPPED: Final = template("it was dropped by a person")
LOST: Final = template("its content was lost when the database was damaged")
UNREADABLE: Final = template("its content cannot be read: {reason}")
NO_TEXTS: Final = template("its content cannot be read: its parameters are not texts by name")
NO_OBJECT: Final = template("its content cannot be read: it is not an object")
NO_SENDING: Final = template("it cannot be sent: {reason}")
NOT_TEXT: Final = template("it cannot be sent: the database holds something else than text")
NO_FILE_NAME: Final = template("the name of its file cannot be read")
UNKNOWN_ENDPOINT: Final = template("this version of the gateway knows no endpoint {path}")
TOO_LARGE: Final = template("it has {size} bytes in a form, and one call holds at most {max_bytes}")
FAILED: Final = template("the gateway failed to send it: {reason}")
UNCLEAR: Final = template("the outcome is not known, look at the cloud before it is sent again: {reason}")
_INFERRED: Final = template("{meaning}, most likely")
_LISTED: Final = template("{meaning} ({result_list})")
_REFUSED: Final = template("the cloud refused {path} with code {code}: {meaning}")

_TEMPLATES: Final = (
    DROPPED, LOST, NO_TEXTS, NO_OBJECT, UNREADABLE, NOT_TEXT, UNKNOWN_ENDPOINT, NO_SENDING, NO_FILE_NAME, TOO_LARGE,
    FAILED, UNCLEAR, _REFUSED, _INFERRED, _LISTED,
)  # fmt: skip
"""The templates of reasons; of two that fit a text, the first one counts."""


def recognise_reason(text: str) -> str:
    """Return a stored reason as it can be shown in another language; as it is if it is the vendor's."""
    return recognise(text, _TEMPLATES)
