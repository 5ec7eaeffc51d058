"""Notices: what the next page of a session says first."""

from typing import Final, NamedTuple

_MAX_SESSIONS: Final = 100
_MAX_NOTICES: Final = 10


class Notice(NamedTuple):
    """What became of something that a person did."""

    text: str
    """One sentence."""
    failed: bool
    """Whether it failed."""


class Notices:
    """The notices of all sessions, in memory."""

    def __init__(self) -> None:
        self._by_session: dict[str, list[Notice]] = {}

    def add(self, session: str, text: str, *, failed: bool = False) -> None:
        """Say a text on the next page of a session."""
        notices = self._by_session.pop(session, [])
        self._by_session[session] = [*notices, Notice(text, failed)][-_MAX_NOTICES:]
        if len(self._by_session) > _MAX_SESSIONS:
            del self._by_session[next(iter(self._by_session))]

    def take(self, session: str) -> list[Notice]:
        """Return the notices of a session, and forget them."""
        return self._by_session.pop(session, [])
