"""The head office's connections to its servers."""

import asyncio
import contextlib
import getpass
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from firmware_tools.language import describe_error, message
from gateway.fleet.client import FleetClient
from gateway.fleet.credentials import CredentialFiles, UserCredentials, load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.chain_folder import OFFICE, ChainFolder
from gateway.office.servers import list_servers, read_time

CONNECT_TIMEOUT_S: Final = 12
"""How long the servers are tried."""
REFUSED_TIMEOUT_S: Final = 3
"""The same while all of them refuse at once: one that is being started takes a line soon."""
STEP_TIMEOUT_S: Final = 2
"""How long a server is waited for in each step of a handshake, before the next one is tried."""
REQUEST_TIMEOUT_S: Final = 20.0
"""How long a request takes at most. A stream needs some seconds to choose a new leader."""
READ_TIMEOUT_S: Final = 5.0
"""How long the leader of a stream is waited for that is only to say what there is."""
READ_ATTEMPTS: Final = 4
"""How often it is asked: what one was asked before it died or froze, the next one does not know of."""
READ_PAUSE_S: Final = 0.5
RECONNECT_INTERVAL_S: Final = 1
PING_INTERVAL_S: Final = 10
"""How often a server is tested. If it does not respond to two tests, another one is taken: after half a minute at most.
It has more time than for the longest list of connections, behind which its response waits."""

T = TypeVar("T")

ActorKind = Literal["command", "page", "api", "join"]
"""By what somebody changes something."""


class Actor(NamedTuple):
    """Who changes something at the head office."""

    via: ActorKind
    """By what."""
    name: str
    """The name of the person's session, of the token or of the shop; of a command the user of its machine."""
    host: str
    """The machine: its address, or its name for a command."""

    @classmethod
    def of_command(cls) -> Self:
        """Return the user of this machine."""
        host = socket.gethostname()
        try:
            return cls("command", getpass.getuser(), host)
        except (KeyError, OSError):
            return cls("command", "", host)

    def __str__(self) -> str:
        """Return it for the audit logs of shops, and for people."""
        if self.via != "command":
            return self.name
        return f"{self.name}@{self.host}" if self.name else self.host


class Office:
    """A head office that is connected to its servers; made by `connect`.

    Lost connections come back by themselves. What asks meanwhile gets the client library's errors, which `translated`
    turns into `HeadOfficeUnavailable`.
    """

    def __init__(self, folder: ChainFolder, client: Client, observer: Client, actor: Actor | None = None) -> None:
        self.folder = folder
        self.client = client
        """The connection as a user of the chain's account."""
        self.observer = observer
        """The connection as a user of the servers' own account: who is connected, and who may."""
        self.actor = actor or Actor.of_command()
        """Who changes something."""

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, folder: ChainFolder) -> AsyncIterator[Self]:
        """Connect to the servers. Raises `HeadOfficeUnavailable`, and `SettingsError` for a file of the folder."""
        async with _open(folder, folder.office_files) as client, _open(folder, folder.observer_files) as observer:
            yield cls(folder, client, observer)

    def acting_for(self, actor: Actor) -> "Office":
        """Return the same connection, with which somebody else changes something."""
        return Office(self.folder, self.client, self.observer, actor)

    @property
    def jetstream(self) -> JetStreamContext:
        """The streams and buckets, to change them."""
        return self.client.jetstream(timeout=REQUEST_TIMEOUT_S)

    async def read(self, ask: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """Return what the leader of a stream says, who is asked again if there is no response.

        Raises the errors of the client library.
        """
        jetstream = self.client.jetstream(timeout=READ_TIMEOUT_S)
        for _ in range(READ_ATTEMPTS - 1):
            with contextlib.suppress(nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
                return await ask(jetstream)
            await asyncio.sleep(READ_PAUSE_S)
        return await ask(jetstream)

    async def read_time(self) -> datetime:
        """Return the time by the clock of most servers; this machine's clock may be wrong.

        Raises `HeadOfficeUnavailable`.
        """
        with translated(self.folder):
            return read_time(await list_servers(self.observer))


@contextlib.contextmanager
def translated(folder: ChainFolder) -> Iterator[None]:
    """Raise `HeadOfficeUnavailable` for what the client library raises."""
    try:
        yield
    except (OSError, nats.errors.Error, TimeoutError) as exc:
        servers = ", ".join(folder.plan.servers)
        raise HeadOfficeUnavailable(
            message(
                "the servers {servers} cannot be reached, or take nothing now: see that they run; start one again "
                "whose disk was full: {reason}",
                servers=servers,
                reason=describe_error(exc),
            )
        ) from exc


@contextlib.asynccontextmanager
async def _open(folder: ChainFolder, files: CredentialFiles) -> AsyncIterator[Client]:
    credentials = load_credentials(files)
    servers = random.sample(folder.plan.servers, len(folder.plan.servers))
    with translated(folder):
        client = await connect_client(servers, credentials, name=OFFICE, ping_interval=PING_INTERVAL_S)
    try:
        yield client
    finally:
        await client.close()


async def connect_client(servers: Sequence[str], credentials: UserCredentials, **options: Any) -> Client:
    """Connect to the first of the servers that answers, in their order. After a loss the client comes back by itself.

    `options` are more of those of the client library. Raises the errors of the library, and what failed last if no
    server takes the user in time.
    """
    client: Client = FleetClient()
    try:
        async with _limit_attempts(len(servers)) as note_failure:
            await client.connect(
                [f"tls://{server}" for server in servers],
                dont_randomize=True,
                tls=credentials.tls,
                tls_handshake_first=True,
                signature_cb=credentials.sign,
                user_jwt_cb=lambda: credentials.token,
                connect_timeout=STEP_TIMEOUT_S,
                reconnect_time_wait=RECONNECT_INTERVAL_S,
                max_reconnect_attempts=-1,  # until it is closed
                **{"error_cb": note_failure} | options,
            )
    except BaseException:
        await client.close()
        raise
    return client


@contextlib.asynccontextmanager
async def _limit_attempts(servers: int) -> AsyncIterator[Callable[[Exception], Awaitable[None]]]:
    """Limit the attempts to connect to one of some servers; yield what is told of each that fails.

    The client library would go on for ever, and says only in this way why. Raises the last failure.
    """
    began, failures, refusals = asyncio.get_running_loop().time(), list[Exception](), 0

    async def note_failure(failure: Exception) -> None:
        nonlocal refusals
        failures[:] = [failure]
        refusals = 0 if isinstance(failure, TimeoutError) else refusals + 1
        if is_connecting:  # of what fails later, nothing depends on this
            limit.reschedule(began + (REFUSED_TIMEOUT_S if refusals >= servers else CONNECT_TIMEOUT_S))

    is_connecting = True
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S) as limit:
            yield note_failure
    except TimeoutError as exc:
        if failures:
            raise failures[0] from exc
        raise
    finally:
        is_connecting = False
