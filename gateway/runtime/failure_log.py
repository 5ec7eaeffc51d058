"""Logging of a failure that lasts: its beginning and its end, not each repetition."""

import logging


class FailureLog:
    """Logs one kind of failure of one thing. `what` completes the sentence, as in `the outbox cannot be read`."""

    def __init__(self, logger: logging.Logger, what: str, *, level: int = logging.ERROR) -> None:
        """Log the beginning at `level`."""
        self._logger = logger
        self._what = what
        self._level = level
        self._logged: set[type | None] = set()

    @property
    def failing(self) -> bool:
        """Whether the last report was a failure."""
        return bool(self._logged)

    def failed(self, reason: object, failure: BaseException | None = None, *, traceback: bool = False) -> None:
        """Report a failure. Until it recovers, each type of `failure` is logged once, repetitions at debug level."""
        kind = None if failure is None else type(failure)
        if kind in self._logged:
            self._logger.debug("%s: %s", self._what, reason)
            return
        self._logged.add(kind)
        self._logger.log(self._level, "%s: %s", self._what, reason, exc_info=failure if traceback else None)

    def recovered(self) -> None:
        """Report success. It is logged only if the report before was a failure."""
        if self._logged:
            self._logged.clear()
            self._logger.info("resolved: %s", self._what)
