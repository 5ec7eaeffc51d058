"""Which shops belong to the chain: enrolled, joined by a one-time code, retired.

Everything about a shop stands in its record in the bucket `shops`, which is changed only if nobody else has meanwhile:
so a code is good once, whatever happens at the same time.
"""

import asyncio
import hashlib
import hmac
import random
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, Forbidden, InvalidRequest, NotFound, StateError
from gateway.fleet.documents import ShopRecord
from gateway.fleet.join_code import SECRET_BYTES, JoinCode
from gateway.fleet.subjects import DESIRED, SHOP_NAME, SHOPS, shop_key
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket, Entry, RevisionConflict
from gateway.office.chain_folder import ShopCredentials
from gateway.office.desired import DesiredBucket
from gateway.office.nkey import KeyKind, encode_public_key
from gateway.office.office import Office
from gateway.office.revocation import revoke
from gateway.runtime.timestamps import utc_text

DAY_S: Final = 86_400
VALID_DAYS: Final = 7
"""For how many days a join code is good unless told otherwise."""
MAX_DAYS: Final = 365
MAX_TITLE_LENGTH: Final = 200
MAX_GROUPS: Final = 20
MAX_PAUSE_S: Final = 0.1
"""How long to wait at most before a record is changed again that somebody else has changed."""


_NAME: Final = re.compile(SHOP_NAME)


class Enrolment:
    """Enrols shops, lets them join, and retires them. Every method raises `HeadOfficeUnavailable` and `StateError`."""

    def __init__(self, office: Office, clock: Callable[[], float] = time.time) -> None:
        """Take the connection; `clock` returns Unix seconds."""
        self._office = office
        self._clock = clock

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

        Title and groups that are left out stay as they are. Raises `InvalidRequest`, which names the field, and
        `Conflict` if the shop is enrolled, unless `again`.
        """
        _check(shop, title, groups, valid_days)
        secret = secrets.token_bytes(SECRET_BYTES)

        def invite(before: ShopRecord | None) -> ShopRecord:
            if before is not None and before.state != "retired" and not again:
                raise _already_enrolled(shop, before)
            return ShopRecord(
                state="invited",
                title=title if title is not None else before.title if before else "",
                groups=tuple(groups) if groups is not None else before.groups if before else (),
                since=utc_text(self._clock()),
                code_sha256=hashlib.sha256(secret).hexdigest(),
                code_expires=utc_text(self._clock() + valid_days * DAY_S),
            )

        record, revision = await self._change(shop, invite)
        if groups is not None:
            await DesiredBucket(self._office).change_groups(shop_key(shop), record.groups)
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

        def accept(before: ShopRecord | None) -> ShopRecord:
            if before is not None and before.state == "joined" and before.public_key == public_key:
                return before
            digest = hashlib.sha256(secret).hexdigest()
            if before is None or not hmac.compare_digest(before.code_sha256, digest):
                raise Forbidden(
                    message(
                        "the join code of {shop} is wrong, or was used: make a new one in the head office: "
                        "sunmi-gateway office enrol {shop} --again",
                        shop=shop,
                    )
                )
            if self._clock() > datetime.fromisoformat(before.code_expires).timestamp():
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
                    "since": utc_text(self._clock()),
                    "code_sha256": "",
                    "code_expires": "",
                    "public_key": public_key,
                }
            )

        _, revision = await self._change(shop, accept)
        if revision is not None:
            await record_change(self._office, "join", shop, revision=revision, public_key=public_key)
        return self._office.folder.issue_shop(shop, key)

    async def retire(self, shop: str) -> ShopRecord:
        """End a shop: its gateway cannot connect any more, and its code is no longer good. Raises `NotFound`."""

        def end(before: ShopRecord | None) -> ShopRecord:
            if before is None:
                raise NotFound(
                    message(
                        "there is no shop {shop}: `sunmi-gateway office shops` lists those that there are", shop=shop
                    )
                )
            if before.state == "retired":
                return before
            return before.model_copy(
                update={
                    "state": "retired",
                    "since": utc_text(self._clock()),
                    "code_sha256": "",
                    "code_expires": "",
                    "public_key": "",
                }
            )

        record, revision = await self._change(shop, end)
        await Bucket(self._office, DESIRED).purge(shop_key(shop))
        if revision is not None:
            await record_change(self._office, "retire", shop, revision=revision)
        return record

    async def _change(
        self, shop: str, edit: Callable[[ShopRecord | None], ShopRecord]
    ) -> tuple[ShopRecord, int | None]:
        """Change the record of a shop by what `edit` makes of it; return it and its new revision.

        That is None if it stays as it is. It is changed again if others change it at the same time.

        A key that the record does not have any more is revoked before that: so a crash between leaves a shop that is
        shown as joined and cannot connect, never the reverse.
        """
        bucket = Bucket(self._office, SHOPS)
        while True:
            entry = await bucket.get(shop)
            before = _parse(entry)
            record = edit(before)
            if record == before:
                return record, None
            if before is not None and before.public_key and before.public_key != record.public_key:
                await revoke(self._office, [before.public_key])
            try:
                return record, await bucket.put(shop, record.model_dump_json().encode(), entry.revision)
            except RevisionConflict:
                await asyncio.sleep(random.uniform(0, MAX_PAUSE_S))


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


def _parse(entry: Entry) -> ShopRecord | None:
    """Return the record of a shop, if there is one. Raises `StateError`."""
    if entry.value is None:
        return None
    try:
        return ShopRecord.model_validate_json(entry.value)
    except ValidationError as exc:
        what = message(
            "the record of {shop} in the bucket {bucket} is damaged: delete it there", shop=entry.key, bucket=SHOPS
        )
        raise StateError(what) from exc


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
