"""Shops that are connected and on no list, as after all servers were lost: they joined, and the list has to say so."""

from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import SHOPS
from gateway.office import jwt
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket, RevisionConflict
from gateway.office.connections import read_shops
from gateway.office.natural_order import natural_key
from gateway.office.office import Office
from gateway.runtime.timestamps import utc_text


async def list_again(office: Office) -> list[str]:
    """Put shops that are connected and unknown onto the list; return their names.

    A server lets nobody in without a token of the chain, and ends the connections of whom it revokes. Names and groups
    that people have given them are lost. Raises `HeadOfficeUnavailable` and `StateError`.
    """
    folder, bucket = office.folder, Bucket(office, SHOPS)
    _, revoked = jwt.read_account(folder.account_token, folder.operator.public, folder.account.public)
    connected = {shop: key for shop, key in (await read_shops(office)).items() if key not in revoked}
    since, listed = utc_text((await office.read_time()).timestamp()), []
    known = {entry.key async for entry in bucket.entries() if entry.value is not None}
    for shop in sorted(connected.keys() - known, key=natural_key):
        record = ShopRecord(state="joined", since=since, public_key=connected[shop])
        entry = await bucket.get(shop)
        if entry.value is not None:
            continue
        try:
            revision = await bucket.put(shop, record.model_dump_json().encode(), entry.revision)
        except RevisionConflict:  # somebody enrols it at this moment
            continue
        await record_change(office, "join", shop, revision=revision, public_key=record.public_key)
        listed.append(shop)
    return listed
