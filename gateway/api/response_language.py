"""The language of the texts in a response: Chinese where the request's `Accept-Language` prefers it, else English."""

from contextvars import ContextVar
from typing import Final

from aiohttp import hdrs, web

from firmware_tools.language import Language

RESPONSE_LANGUAGE: Final[ContextVar[Language]] = ContextVar("response_language", default=Language.ENGLISH)
"""The language of the response to the present request."""


def begin_response(request: web.Request) -> None:
    """Choose the language of the response to a request, which is the present one from now on."""
    RESPONSE_LANGUAGE.set(Language.negotiate(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")))


def describe_language() -> dict[str, str]:
    """Return the headers that name the language of the response, if it is not English."""
    language = RESPONSE_LANGUAGE.get()
    return {} if language is Language.ENGLISH else {hdrs.CONTENT_LANGUAGE: language}
