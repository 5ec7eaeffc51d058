"""Every failure that is reported to the user, as one tree.

::

    CardError
    ├── InvalidInput   an argument, a firmware file or a card list is wrong
    ├── DriveRefused   the drive must not be written, or is not the one that was meant
    ├── IOFailed       a card, a file or a program of the system failed
    └── CardFault      the card is damaged, incomplete or not a firmware card

Each message is one line: what happened, to what, and what to do next.
"""

from firmware_tools.language import join, message


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
        what = message("{name}: {operation} failed: {reason}", name=name, operation=operation, reason=error)
        advice = _ADVICE.get(error.errno or 0)
        return cls(what if advice is None else join("; ", [what, advice]))


class CardFault(CardError):
    """The card or image is not a valid firmware card; the message names the first fault."""


# By errno, in numbers: some of them have no name on every system.
_ADVICE = {
    5: message("the card may be damaged or was pulled out"),
    6: message("the card was pulled out"),
    13: message("check the permissions; for a card in a drive, run the command as administrator"),
    16: message("it is mounted or in use: unmount it first"),
    19: message("the card was pulled out"),
    28: message("the disk is full: free some space and run the command again"),
    30: message("it is read-only: check the card's write-protection switch"),
    123: message("there is no card in the reader"),
}
