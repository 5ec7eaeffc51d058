"""Who may not connect any more: a claim in the tokens of the chain's accounts, which every server has.

The tokens of the accounts of shops and readers are made from that of the account with the streams, which alone is kept.

What is revoked stays revoked. The newest token stands in the bucket `office`, on every server and in the head office's
folder, and each of these may be older than it was, after a restoration: so a new token revokes all that any of them
does. The bucket is changed only if nobody else has meanwhile, so two head offices lose nothing of each other's.
"""

import contextlib
import json
import time
from collections.abc import Collection
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import OFFICE
from gateway.office import jwt
from gateway.office.bucket import Bucket
from gateway.office.office import Office, translated
from gateway.office.server_configuration import MAX_PAYLOAD_BYTES
from gateway.office.server_requests import gather_responses

ACCOUNT_KEY: Final = "account"
"""The key of the bucket `office` with the newest token."""
_UPDATE: Final = "$SYS.REQ.CLAIMS.UPDATE"
_DONE: Final = 200


class _KnownTokens(NamedTuple):
    revision: int
    """That of the bucket's key; 0 if there is none."""
    stored: str
    """The bucket's token."""
    issued_at: int
    """When the newest of all was issued, in Unix seconds."""
    revoked: frozenset[str]
    """Whom any of them revokes."""
    are_equal: bool
    """Whether all revoke the same, and the bucket's token says what this version wants."""


async def read_revoked(office: Office) -> frozenset[str]:
    """Return the public keys of who is revoked, by the bucket and the folder; a token that is damaged says nothing.

    `reconcile` has them say what any server does. Raises `HeadOfficeUnavailable` and `StateError`.
    """
    folder = office.folder
    stored = (await Bucket(office, OFFICE).get(ACCOUNT_KEY)).value or b""
    revoked = frozenset[str]()
    for token in {stored.decode("ascii", "replace"), folder.account_token}:
        with contextlib.suppress(ValueError):
            revoked |= jwt.read_account(token, folder.operator.public, folder.account.public)[1]
    return revoked


async def revoke(office: Office, users: Collection[str]) -> None:
    """Disconnect users, given by their public keys, for good.

    A server that is away takes that when it is back. Raises `HeadOfficeUnavailable` if nobody has taken it, `Conflict`
    if others revoke all the time, and `StateError`.
    """
    bucket = Bucket(office, OFFICE)

    async def store() -> None:
        known = await _read_tokens(office, bucket)
        if not (known.are_equal and known.stored and known.revoked.issuperset(users)):
            await bucket.put(ACCOUNT_KEY, _make_token(office, known, users).encode(), known.revision)

    await bucket.retry_on_conflict(ACCOUNT_KEY, store)
    await _push(office, bucket)


async def reconcile(office: Office) -> bool:
    """Bring bucket, servers and folder to one token, which revokes all that any of them does.

    Returns whether there was anything to do. Raises `HeadOfficeUnavailable` and `StateError`.
    """
    known = await _read_tokens(office, Bucket(office, OFFICE))
    if known.are_equal and known.stored:
        return False
    await revoke(office, ())
    return True


def _make_token(office: Office, known: _KnownTokens, users: Collection[str]) -> str:
    folder = office.folder
    token = folder.make_account_token(known.revoked.union(users), max(int(time.time()), known.issued_at + 1))
    if max(map(len, folder.make_other_tokens(token).values())) > MAX_PAYLOAD_BYTES:
        raise StateError(
            message(
                "{count} users are revoked, more than a message to the servers holds: make a new chain, which the "
                "shops join one after the other",
                count=len(known.revoked) + len(users),
            )
        )
    return token


async def _read_tokens(office: Office, bucket: Bucket) -> _KnownTokens:
    """Return what bucket, servers and folder say. Raises `HeadOfficeUnavailable` and `StateError`."""
    entry = await bucket.get(ACCOUNT_KEY)
    stored = (entry.value or b"").decode("ascii", "replace")
    folder = office.folder
    operator, account = folder.operator.public, folder.account.public
    tokens = [(stored, account)] if stored else []
    tokens.append((folder.account_token, account))
    for asked in (account, folder.shops_account.public, folder.readers_account.public):
        with translated(folder):
            lookup = f"$SYS.REQ.ACCOUNT.{asked}.CLAIMS.LOOKUP"
            responses = await gather_responses(office.observer, lookup, expected=len(folder.plan.servers))
        tokens += [(one.payload.decode("ascii", "replace"), asked) for one in responses if one.payload]
    claims: list[tuple[int, frozenset[str]]] = []
    for token, account in tokens:
        try:
            claims.append(jwt.read_account(token, operator, account))
        except ValueError as exc:
            raise StateError(
                message(
                    "a token of the chain's account is not of this folder's operator, so nobody is revoked: see that "
                    "{path} is the folder of these servers: {reason}",
                    path=folder.path,
                    reason=exc,
                )
            ) from exc
    revoked = frozenset[str]().union(*(one[1] for one in claims))
    issued_at = max(one[0] for one in claims)
    are_equal = all(one[1] == revoked for one in claims) and stored == folder.make_account_token(revoked, issued_at)
    return _KnownTokens(entry.revision, stored, issued_at, revoked, are_equal)


async def _push(office: Office, bucket: Bucket) -> None:
    """Give the bucket's token to the servers, and another one that somebody has stored meanwhile."""
    pushed = b""
    while True:
        newest = (await bucket.get(ACCOUNT_KEY)).value or b""
        if newest == pushed:
            break
        for token in (newest.decode(), *office.folder.make_other_tokens(newest.decode()).values()):
            await _update(office, token)
        pushed = newest
    office.folder.save_account_token(pushed.decode())


async def _update(office: Office, token: str) -> None:
    """Give a token of an account to the servers. Raises `HeadOfficeUnavailable` if none takes it."""
    with translated(office.folder):
        servers = len(office.folder.plan.servers)
        responses = await gather_responses(office.observer, _UPDATE, token.encode(), expected=servers)
    outcomes = [json.loads(one.payload) for one in responses]
    if not any(one.get("data", {}).get("code") == _DONE for one in outcomes):
        reasons = {str(one.get("error", {}).get("description")) for one in outcomes}
        raise HeadOfficeUnavailable(
            message(
                "no server has taken the new token of the chain's account, so try again: {reason}",
                reason=", ".join(sorted(reasons)),
            )
        )
