"""What pages and calls of the head office share, and how they are bound to it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from aiohttp import web

from firmware_tools.language import Language, message
from firmware_tools.rendered_text import recognise_rendered
from gateway.access.pairing import PairingCodes
from gateway.api.body_budget import BodyBudget
from gateway.api.changes import has_changed
from gateway.api.route import DeclaredRoute, Screen, WebHandler
from gateway.console.site_page import PageSite, SiteContext, SitePage
from gateway.errors import Unauthorized
from gateway.office.audit import record_change
from gateway.office.office import Actor, Office
from gateway.office_site.access import SCOPES, AccessRecord, OfficeScope
from gateway.office_site.chain_view import ChainView
from gateway.office_site.file_intake import FileIntake
from gateway.office_site.problems import OFFICE_FAILURES
from gateway.runtime.supervisor import Supervisor

TEMPLATES: Final = Path(__file__).with_name("templates")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OfficeSite(PageSite[AccessRecord]):
    """What all pages and calls of a head office share."""

    scopes: ClassVar = SCOPES
    failures: ClassVar = OFFICE_FAILURES

    office: Office
    """The connection to the chain's servers."""
    view: ChainView
    """What is known of the shops."""
    files: FileIntake
    """What receives files for shops."""
    pairing: PairingCodes[OfficeScope]
    """The codes that open sessions."""
    supervisor: Supervisor
    """What runs long-lived tasks."""
    urls: list[str]
    """Where people open the pages."""
    load_document: Callable[[], dict[str, Any]]
    """Returns the OpenAPI document of the API."""
    template_folders: Sequence[Path] = (TEMPLATES,)

    async def open_session(self, code: str, address: str) -> str:
        """Exchange a pairing code that somebody at an address typed for a session; return its secret."""
        known = self.pairing.exchange(code, address)
        secret = await self.view.access.create_session(known.name, known.scopes[0])
        office = self.office.acting_for(Actor("page", known.name, address))
        await record_change(office, "session_open", known.name, scope=known.scopes[0])
        return secret

    async def end_session(self, name: str) -> None:
        """End a session."""
        await self.view.access.revoke(name)

    def find_session(self, secret: str) -> AccessRecord | None:
        """Return the session with this secret, which is used now; None if there is none."""
        return self.view.access.find(secret, "session")

    async def record(self, request: web.Request, response: web.StreamResponse, *, who: str, action: str) -> None:
        """Log what somebody has changed by a page."""
        log_change(request, response, who=who, action=action)

    @property
    def join_url(self) -> str:
        """Where shops join."""
        return f"https://{self.office.folder.plan.join_address}"

    def authenticate(self, request: web.Request) -> AccessRecord:
        """Return the token of a caller of the API. Raises `Unauthorized`."""
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret:
            raise Unauthorized(
                message("send the header `Authorization: Bearer TOKEN`; the head office's page Access makes tokens")
            )
        record = self.view.access.find(secret.strip(), "token")
        if record is None:
            raise Unauthorized(message("the token is not known, or was revoked"))
        return record


def log_change(request: web.Request, response: web.StreamResponse, *, who: str, action: str) -> None:
    """Log what somebody has changed, if it succeeded. What concerns a shop is in that shop's audit log, too."""
    if has_changed(request, response):
        named = ", ".join(request.match_info.values())
        _log.info("%s: %s", who, action, extra={"fields": {"who": who, "action": str(action), "object": named}})


@dataclass(frozen=True, slots=True)
class OfficeContext(SiteContext[OfficeSite, AccessRecord]):
    """A request for a page."""

    @property
    def scopes(self) -> frozenset[str]:
        """What the person may do."""
        return frozenset() if self.session is None else self.session.granted

    @property
    def view(self) -> ChainView:
        """What is known of the shops."""
        return self.site.view

    def reported(self, text: str) -> str:
        """Return a text that a shop has rendered in English, so that it can be shown in the language of the person."""
        return text if self.language is Language.ENGLISH else recognise_rendered(text)

    @property
    def office(self) -> Office:
        """The connection to the chain's servers, for this person."""
        return self.site.office.acting_for(Actor("page", self.name, self.request.remote or ""))


@dataclass(frozen=True, slots=True)
class OfficePage(SitePage[OfficeContext]):
    """A method and a path of the head office's pages, and what handles them."""


class OfficeRequest(NamedTuple):
    """An authenticated call."""

    site: OfficeSite
    """What handles it."""
    request: web.Request
    """The request as received."""
    scopes: frozenset[str]
    """What the caller may do."""
    token: str = ""
    """The name of the caller's token."""

    @property
    def view(self) -> ChainView:
        """What is known of the shops."""
        return self.site.view

    @property
    def office(self) -> Office:
        """The connection to the chain's servers, for this caller."""
        return self.site.office.acting_for(Actor("api", self.token, self.request.remote or ""))


@dataclass(frozen=True, slots=True)
class OfficeRoute(DeclaredRoute[OfficeRequest]):
    """A method and a path of the head office's API, and what handles them."""

    def bind(self, site: OfficeSite, budget: BodyBudget, screen: Screen) -> WebHandler:
        """Return the handler for aiohttp. It authenticates the caller, and responds to failures with problems."""

        def make_context(request: web.Request) -> OfficeRequest:
            if self.scope is None:
                return OfficeRequest(site, request, frozenset())
            record = site.authenticate(request)
            return OfficeRequest(site, request, record.granted, record.name)

        async def record(context: OfficeRequest, response: web.StreamResponse) -> None:
            log_change(context.request, response, who=context.token, action=self.summary)

        return self.bind_to(
            make_context, record, budget, screen, needed=self.scope, scopes=SCOPES, mapping=OFFICE_FAILURES
        )
