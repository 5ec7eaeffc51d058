"""Every failure that a person can be told about, as one tree.

::

    CardError
    ├── InputRefused     what was given is wrong: a MAC, a size, a firmware file, a list; nothing was touched
    ├── DriveRefused     the drive is not one to write on; it was not opened
    ├── MediumFailed     a card or file could not be read or written
    └── CardFaulty       the card is not what it should be

Each text is one line: what happened, to what, what to do next.
"""


class CardError(Exception):
    """The root; its text is one line for a person."""


class InputRefused(CardError):
    """What was given is wrong in itself; nothing was touched."""


class DriveRefused(CardError):
    """The drive must not be written, or may not be the one that was meant; nothing was written."""


class MediumFailed(CardError):
    """Reading or writing a card or an image failed."""

    @classmethod
    def during(cls, doing: str, name: str, error: OSError) -> "MediumFailed":
        """Tell which file or device failed while doing what; the one place where system errors are worded."""
        return cls(f"{name}: {doing} failed: {error.strerror or error}{_ADVICE.get(error.errno or 0, '')}")


class CardFaulty(CardError):
    """The card or image is not a firmware card as it should be; the text names the first fault."""


_ADVICE = {
    5: "; the card may be damaged or was pulled out",
    6: "; the card was pulled out",
    13: "; check the permissions; for a card in a drive, run the command as administrator",
    16: "; it is mounted or in use: unmount it first",
    19: "; the card was pulled out",
    28: "; the disk is full: free some space and run the command again",
    30: "; it is read-only: check the card's write-protection switch",
    123: "; there is no card in the reader",
}
