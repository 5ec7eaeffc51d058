"""The REST client of the commands: for the gateway that holds the state directory, else for one made in-process."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from firmware_tools.command_language import command_language
from firmware_tools.language import message
from gateway.api.local_socket import HAS_UNIX_SOCKETS, socket_session
from gateway.errors import StateError
from gateway.protocol import json_text
from gateway.settings import Settings
from gateway.storage.state_directory import StateDirectory


class ApiError(Exception):
    """The gateway responded with a problem document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail", message("the gateway failed"))))
        self.document = document
        """The problem document."""


class ApiClient:
    """A client of a gateway's REST API."""

    def __init__(self, session: aiohttp.ClientSession, directory: Path, *, running: bool = True) -> None:
        """Take a session to the gateway that holds the state directory."""
        self.running = running
        """Whether a gateway runs, rather than one that was made for this command."""
        self._session = session
        self._directory = directory

    async def get(self, path: str) -> Any:
        """GET a path below `/api/v1/`."""
        return await self.call("GET", path)

    async def get_all(self, path: str, member: str, query: Mapping[str, object]) -> list[Any]:
        """GET every page of a list, and return what `member` of each page holds."""
        found: list[Any] = []
        query = dict(query)
        while True:
            page = await self.get(f"{path}?{urlencode(query)}")
            found += page[member]
            if not page["next"]:
                return found
            query["after"] = page["next"]

    async def post(self, path: str, body: Mapping[str, Any] | aiohttp.FormData) -> Any:
        """POST a JSON object or a form to a path below `/api/v1/`."""
        return await self.call("POST", path, body)

    async def stream(self, path: str) -> AsyncGenerator[tuple[str, Any], None]:
        """Yield server-sent events: the event name (`message` by default) and the JSON document of each.

        Ends when the gateway ends the stream. Raises `ApiError` and `StateError`.
        """
        try:
            headers = {"Accept": "text/event-stream", "Accept-Language": command_language()}
            async with self._session.get(f"/api/v1/{path}", headers=headers) as response:
                if response.status >= 400:
                    raise ApiError(json_text.loads(await response.read()))
                event = "message"
                while line := (await response.content.readline()).decode():
                    name, _, value = line.rstrip("\n").partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data":
                        yield event, json_text.loads(value)
                    elif not name:
                        event = "message"
        except (aiohttp.ClientError, OSError) as exc:
            raise StateError(
                message(
                    "the gateway that holds {directory} does not respond any more: {reason}",
                    directory=self._directory,
                    reason=exc,
                )
            ) from exc

    async def get_bytes(self, path: str, *, accept: str = "*/*") -> bytes:
        """GET a path below `/api/v1/` whose response is no JSON. Raises `ApiError` and `StateError`."""
        return await self._request("GET", path, None, accept=accept)

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | aiohttp.FormData | bytes | None = None
    ) -> Any:
        """Call a path below `/api/v1/` and return the JSON of the response. Raises `ApiError` and `StateError`."""
        raw = await self._request(method, path, body)
        return json_text.loads(raw) if raw else None

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | aiohttp.FormData | bytes | None,
        *,
        accept: str = "*/*",
    ) -> bytes:
        is_json = isinstance(body, Mapping)
        headers = {"Accept": accept, "Accept-Language": command_language()}
        headers |= {"Content-Type": "application/json"} if is_json else {}
        data = json_text.dumps(body).encode() if is_json else body
        try:
            async with self._session.request(method, f"/api/v1/{path}", data=data, headers=headers) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError) as exc:
            raise StateError(
                message(
                    "the gateway that holds {directory} does not respond: {reason}",
                    directory=self._directory,
                    reason=exc,
                )
            ) from exc
        if response.status >= 400:
            raise ApiError(json_text.loads(raw) if raw else {})
        return raw


@contextlib.asynccontextmanager
async def connect_api(settings: Settings) -> AsyncIterator[ApiClient]:
    """Yield a client of the gateway that holds the state directory, else of one made in this process."""
    directory = settings.state_directory
    async with contextlib.AsyncExitStack() as stack:
        running = StateDirectory.is_held(directory)
        if not running:
            session = await stack.enter_async_context(_make_gateway(settings))
        elif HAS_UNIX_SOCKETS:
            session = await stack.enter_async_context(socket_session(StateDirectory.socket_in(directory)))
        else:
            raise StateError(
                message(
                    "a gateway runs on {directory}, and this system has no Unix sockets for commands: call "
                    "its REST API at {load_address} with a token",
                    directory=directory,
                    load_address=StateDirectory.load_address(directory),
                )
            )
        yield ApiClient(session, directory, running=running)


@contextlib.asynccontextmanager
async def _make_gateway(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session to a gateway that is made for this command."""
    # Imported here: without it, a command for a running gateway starts in half the time.
    from gateway.api.server import serve_commands
    from gateway.app import Gateway

    gateway = await Gateway.open(settings)
    try:
        async with serve_commands(gateway) as session:
            yield session
    finally:
        await gateway.close()
