"""Trouble that lasts: it is told once when it begins and once when it is over, however often it is met between."""

import logging


class Trouble:
    """One kind of failure of one thing. `what` says what does not work, as `the outbox cannot be read`."""

    def __init__(self, log: logging.Logger, what: str, *, level: int = logging.ERROR) -> None:
        self._log = log
        self._what = what
        self._level = level
        self._lasts = False

    def met(self, reason: object) -> None:
        """Tell of a failure: at debug level if the one before was the same trouble."""
        self._log.log(logging.DEBUG if self._lasts else self._level, "%s: %s", self._what, reason)
        self._lasts = True

    def over(self) -> None:
        """Tell that it works again, if it did not."""
        if self._lasts:
            self._lasts = False
            self._log.info("over: %s", self._what)
