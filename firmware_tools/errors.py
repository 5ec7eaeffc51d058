"""Every failure that is reported to the user, as one tree.

::

    CardError
    ├── InvalidInput   an argument, a firmware file or a card list is wrong
    ├── DriveRefused   the drive must not be written, or is not the one that was meant
    ├── IOFailed       a card, a file or a program of the system failed
    └── CardFault      the card is damaged, incomplete or not a firmware card

Each message is one line: what happened, to what, and what to do next.
"""


class CardError(Exception):
    """The root of the tree."""


class InvalidInput(CardError):
    """An argument, a firmware file or a card list is wrong."""


class DriveRefused(CardError):
    """The drive must not be written, or is not the one that was meant; nothing was written."""


class IOFailed(CardError):
    """A card, a file or a program of the system failed."""

    @classmethod
    def from_os_error(cls, operation: str, name: str, error: OSError) -> "IOFailed":
        """Build the message for a failed operation ("reading") on a file or device, with advice for common causes."""
        return cls(f"{name}: {operation} failed: {error.strerror or error}{_ADVICE.get(error.errno or 0, '')}")


class CardFault(CardError):
    """The card or image is not a valid firmware card; the message names the first fault."""


# By errno, in numbers: some of them have no name on every system.
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
