"""The pages of the console as data."""

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from gateway.access.scopes import SCOPES
from gateway.access.token_table import TokenRecord
from gateway.api.changes import record_change
from gateway.app import Gateway
from gateway.console.camera_search import CameraSearch
from gateway.console.examination import Examination
from gateway.console.live_state import LiveState
from gateway.console.set_up_draft import SetUpDrafts
from gateway.console.simulated_store import SimulatedStoreControl
from gateway.console.site_page import PageSite, SiteContext, SitePage
from gateway.protocol.endpoint import Scope

if TYPE_CHECKING:
    from gateway.console.list_upload import ListUpload


@dataclass(frozen=True, kw_only=True)
class Site(PageSite[TokenRecord]):
    """What all pages of a gateway share."""

    scopes: ClassVar = SCOPES

    gateway: Gateway
    """The gateway that they show."""
    examination: Examination
    """What the doctor found last."""
    camera_search: CameraSearch
    """The search for cameras that a person started last."""
    live_state: LiveState
    """What open pages are told with each heartbeat."""
    drafts: SetUpDrafts
    """What people have filled in to set up cameras."""
    simulated_store: SimulatedStoreControl | None = None
    """How the store is told to misbehave, where it is a simulated one."""
    photo_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Photographs are read one after the other."""
    download_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a backup or a support bundle is made and sent: it takes room on the disk."""

    async def open_session(self, code: str, address: str) -> str:
        """Exchange a pairing code that somebody at an address typed for a session; return its secret."""
        known = self.gateway.pairing.exchange(code, address)
        return await self.gateway.tokens.create_session(known.name, *known.scopes)

    async def end_session(self, name: str) -> None:
        """End a session."""
        await self.gateway.tokens.revoke(name)

    def find_session(self, secret: str) -> TokenRecord | None:
        """Return the session with this secret, which is used now; None if there is none."""
        session = self.gateway.tokens.find_session(secret)
        if session is not None:
            self.gateway.tokens.touch(session.name)
        return session

    async def record(self, request: web.Request, response: web.StreamResponse, *, who: str, action: str) -> None:
        """Record in the audit log what somebody has changed by a page."""
        await record_change(self.gateway, request, response, who=who, via="console", action=action)

    @functools.cached_property
    def list_upload(self) -> "ListUpload":
        """The list of products that was uploaded last; imported when one is."""
        from gateway.console.list_upload import ListUpload

        return ListUpload(self.gateway.directory.path)


@dataclass(frozen=True, slots=True)
class PageContext(SiteContext[Site, TokenRecord]):
    """A request for a page."""

    @property
    def gateway(self) -> Gateway:
        """The gateway."""
        return self.site.gateway

    @property
    def scopes(self) -> frozenset[Scope]:
        """What the person may do."""
        return frozenset() if self.session is None else self.session.granted

    @property
    def sn(self) -> str:
        """The serial number in the path, in the spelling of the camera that has it."""
        return self.gateway.registry.find_spelling(self.request.match_info["sn"])


@dataclass(frozen=True, slots=True)
class ConsolePage(SitePage[PageContext]):
    """A method and a path of the console, and what handles them."""
