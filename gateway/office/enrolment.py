"""Which shops belong to the chain: enrolled, joined by a one-time code, retired.

Everything about a shop stands in its record in the bucket `shops`, which is changed only if nobody else has meanwhile:
so a code is good once, whatever happens at the same time.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, Forbidden, InvalidRequest
from gateway.fleet.documents import ShopRecord
from gateway.fleet.join_code import SECRET_BYTES, JoinCode
from gateway.fleet.subjects import DESIRED, REPORTED, SHOPS, shop_key
from gateway.fleet_settings import SHOP_NAME
from gateway.office.audit import read_keys, record_change
from gateway.office.bucket import Bucket, DamagedEntry
from gateway.office.chain_folder import ShopCredentials
from gateway.office.connections import read_shops
from gateway.office.desired import DesiredBucket
from gateway.office.nkey import KeyKind, encode_public_key
from gateway.office.office import Office
from gateway.office.revocation import revoke
from gateway.office.shops import parse_record, unknown_shop
from gateway.runtime.timestamps import utc_text

DAY_S: Final = 86_400
VALID_DAYS: Final = 7
"""For how many days a join code is good unless told otherwise."""
MAX_DAYS: Final = 365
MAX_TITLE_LENGTH: Final = 200
MAX_GROUPS: Final = 20


_NAME: Final = re.compile(SHOP_NAME)


class Enrolment:
    """Enrols shops, lets them join, and retires them.

    Every method raises `HeadOfficeUnavailable` and `StateError`; what changes a shop, `Conflict`, if others do so all
    the time.
    """

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._office = office

    async def enrol(
        self,
        shop: str,
        *,
        title: str | None = None,
        groups: Sequence[str] | None = None,
        valid_days: int = VALID_DAYS,
        again: bool = False,
    ) -> JoinCode:
        """Enrol a shop and return its join code. `again` revokes what a code or a gateway of it can do now.

        Title and groups that are left out stay as they are. Raises `InvalidRequest`, which names the field,
        `Conflict` if the shop is enrolled, unless `again`, and `NotFound` if it never was, and `again`.
        """
        _check(shop, title, groups, valid_days)
        secret = secrets.token_bytes(SECRET_BYTES)
        now = await self._read_clock()

        def invite(before: ShopRecord | None) -> ShopRecord:
            if before is None and again:  # a mistyped name makes no new shop
                raise unknown_shop(shop)
            if before is not None and before.state != "retired" and not again:
                raise _already_enrolled(shop, before)
            return ShopRecord(
                state="invited",
                title=title if title is not None else before.title if before else "",
                groups=tuple(groups) if groups is not None else before.groups if before else (),
                since=utc_text(now),
                code_sha256=hashlib.sha256(secret).hexdigest(),
                code_expires=utc_text(now + valid_days * DAY_S),
            )

        desired = DesiredBucket(self._office)
        await desired.get(shop_key(shop))  # one that is damaged is told before an earlier machine is locked out
        record, revision = await self._change(shop, invite)
        await desired.change_groups(shop_key(shop), record.groups)
        await record_change(
            self._office, "enrol", shop, revision=revision, title=record.title, groups=record.groups,
            again=again or None, code_expires=record.code_expires,
        )  # fmt: skip
        address = self._office.folder.plan.join_address
        return JoinCode(address.host, address.port, shop, self._office.folder.authority.fingerprint, secret)

    async def join(self, shop: str, secret: bytes, key: Ed25519PublicKey) -> ShopCredentials:
        """Let a gateway join as a shop, and return what it needs. It may ask again if the response was lost.

        The caller has seen that the gateway has the private key. Raises `Forbidden`, which says why.
        """
        public_key = encode_public_key(KeyKind.U, key.public_bytes_raw())
        now = await self._read_clock()

        def accept(before: ShopRecord | None) -> ShopRecord:
            if before is not None and before.state == "joined" and before.public_key == public_key:
                return before
            digest = hashlib.sha256(secret).hexdigest()
            if before is None or not hmac.compare_digest(before.code_sha256, digest):
                raise Forbidden(
                    message(
                        "the join code of {shop} is wrong, or was used. If no gateway of {shop} works, make a new one "
                        "in the head office: sunmi-gateway office enrol {shop} --again",
                        shop=shop,
                    )
                )
            if now > datetime.fromisoformat(before.code_expires).timestamp():
                raise Forbidden(
                    message(
                        "the join code of {shop} was good until {time}: make a new one in the head office: "
                        "sunmi-gateway office enrol {shop} --again",
                        shop=shop,
                        time=before.code_expires,
                    )
                )
            return before.model_copy(
                update={
                    "state": "joined",
                    "since": utc_text(now),
                    "code_sha256": "",
                    "code_expires": "",
                    "public_key": public_key,
                }
            )

        _, revision = await self._change(shop, accept)
        if revision is not None:
            await record_change(self._office, "join", shop, revision=revision, public_key=public_key)
        return self._office.folder.issue_shop(shop, key)

    async def check(self, shop: str) -> None:
        """Raise `NotFound` if there is no record of a shop; one that is damaged is there."""
        if (await Bucket(self._office, SHOPS).get(shop)).value is None:
            raise unknown_shop(shop)

    async def retire(self, shop: str) -> ShopRecord:
        """End a shop: its gateway cannot connect any more, and its code is no longer good. Raises `NotFound`.

        A record that is damaged does not say which key the shop has: then all that it had are revoked.
        """
        now = await self._read_clock()

        def end(before: ShopRecord | None) -> ShopRecord:
            if before is None:
                raise unknown_shop(shop)
            if before.state == "retired":
                return before
            return before.model_copy(
                update={
                    "state": "retired",
                    "since": utc_text(now),
                    "code_sha256": "",
                    "code_expires": "",
                    "public_key": "",
                }
            )

        try:
            record, revision = await self._change(shop, end)
        except DamagedEntry:
            record, revision = await self._replace(shop, ShopRecord(state="retired", since=utc_text(now)))
        await Bucket(self._office, DESIRED).purge(shop_key(shop))
        if revision is not None:
            await record_change(self._office, "retire", shop, revision=revision)
        return record

    async def _read_clock(self) -> float:
        """Return Unix seconds by the clock of the servers: a code is made and taken on two machines."""
        return (await self._office.read_time()).timestamp()

    async def _change(
        self, shop: str, edit: Callable[[ShopRecord | None], ShopRecord]
    ) -> tuple[ShopRecord, int | None]:
        """Change the record of a shop by what `edit` makes of it; return it and its new revision.

        That is None if it stays as it is. It is changed again if others change it at the same time.

        A key that the record does not have any more is revoked before that: so a crash between leaves a shop that is
        shown as joined and cannot connect, never the reverse.
        """
        bucket = Bucket(self._office, SHOPS)

        async def work() -> tuple[ShopRecord, int | None]:
            entry = await bucket.get(shop)
            before = parse_record(shop, entry.value)
            record = edit(before)
            if record == before:
                return record, None
            if before is not None and before.public_key != record.public_key:
                if before.public_key:
                    await revoke(self._office, [before.public_key])
                await self._forget_reports(shop)
            return record, await bucket.put(shop, record.model_dump_json().encode(), entry.revision)

        return await bucket.retry_on_conflict(shop, work)

    async def _replace(self, shop: str, record: ShopRecord) -> tuple[ShopRecord, int]:
        """Put another record in the place of a damaged one; return it and its revision."""
        bucket = Bucket(self._office, SHOPS)

        async def work() -> tuple[ShopRecord, int]:
            entry = await bucket.get(shop)
            keys = await read_keys(self._office, "join", shop)
            if (connected := (await read_shops(self._office)).get(shop)) is not None:
                keys.add(connected)
            await revoke(self._office, keys)
            await self._forget_reports(shop)
            return record, await bucket.put(shop, record.model_dump_json().encode(), entry.revision)

        return await bucket.retry_on_conflict(shop, work)

    async def _forget_reports(self, shop: str) -> None:
        """Forget what an earlier machine has reported: it says nothing about another one."""
        for keys in (shop, f"{shop}.>"):
            await Bucket(self._office, REPORTED).purge(keys)


def _already_enrolled(shop: str, record: ShopRecord) -> Conflict:
    named = f"{shop} ({record.title})" if record.title else shop
    if record.state == "invited":
        return Conflict(
            message(
                "{shop} is enrolled since {time}, and its join code was not used yet. For another shop take another "
                "name; --again makes a new code, and the earlier one is no longer good",
                shop=named,
                time=record.since,
            )
        )
    return Conflict(
        message(
            "{shop} has joined, since {time}. For another shop take another name; for a new machine in the same shop "
            "--again makes a new code, and the earlier machine cannot connect any more",
            shop=named,
            time=record.since,
        )
    )


def _check(shop: str, title: str | None, groups: Sequence[str] | None, valid_days: int) -> None:
    """Check what a person says of a shop. Raises `InvalidRequest`."""
    faults = []
    name = message("must be 1 to 64 letters, digits, - and _")
    if not _NAME.fullmatch(shop):
        faults.append(FieldError("shop", name))
    if groups is not None and (len(groups) > MAX_GROUPS or not all(map(_NAME.fullmatch, groups))):
        faults.append(
            FieldError("groups", message("must be at most {count} names: {what}", count=MAX_GROUPS, what=name))
        )
    if title is not None and (len(title) > MAX_TITLE_LENGTH or not title.isprintable()):
        reason = message("must be at most {count} printable characters", count=MAX_TITLE_LENGTH)
        faults.append(FieldError("title", reason))
    if not 1 <= valid_days <= MAX_DAYS:
        faults.append(FieldError("valid_days", message("must be from 1 to {count}", count=MAX_DAYS)))
    if faults:
        raise InvalidRequest(faults)
