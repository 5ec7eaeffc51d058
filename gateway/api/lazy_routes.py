"""Routes whose modules are imported at the first request for one of them.

Most gateways serve orders and events all day, and hardly ever what people open. What nobody has asked for takes
neither memory nor time at start.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from aiohttp import web

AddRoutes = Callable[[web.UrlDispatcher], None]
"""Imports the modules of some routes, and adds the routes to a router."""


class LazyRoutes(web.AbstractResource):
    """Every path that begins with a prefix. Stands for routes that do not exist before somebody asks for one."""

    def __init__(self, prefix: str, add_routes: AddRoutes) -> None:
        """Take the prefix, one or more whole segments of a path, and what makes the routes: once, in a thread."""
        super().__init__()
        self._prefix = prefix
        self._add_routes = add_routes
        self._resources: Sequence[web.AbstractResource] | None = None
        self._loading = asyncio.Lock()

    @property
    def canonical(self) -> str:
        """The path by which the router finds this."""
        return self._prefix

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route of a request, None if there is none, and the methods that its path has."""
        allowed: set[str] = set()
        if self.raw_match(request.rel_url.path_safe):
            for resource in await self._load():
                found, methods = await resource.resolve(request)
                if found is not None:
                    return found, methods
                allowed |= methods
        return None, allowed

    async def _load(self) -> Sequence[web.AbstractResource]:
        async with self._loading:
            if self._resources is None:
                self._resources = await asyncio.to_thread(self._make_resources)
        return self._resources

    def _make_resources(self) -> Sequence[web.AbstractResource]:
        router = web.UrlDispatcher()
        self._add_routes(router)
        return tuple(router.resources())

    def raw_match(self, path: str) -> bool:
        """Tell whether a path begins with the prefix."""
        return path == self._prefix or path.startswith(f"{self._prefix}/")

    def get_info(self) -> Any:
        """Return what this is, as every resource does."""
        return {"prefix": self._prefix}

    def add_prefix(self, prefix: str) -> None:
        """Put a prefix before this one."""
        self._prefix = prefix + self._prefix

    def url_for(self, **_: str) -> NoReturn:
        """Raise an error: this has no path of its own."""
        raise RuntimeError(f"{self._prefix} stands for many paths")

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())
