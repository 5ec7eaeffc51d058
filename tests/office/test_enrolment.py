"""Shops come into a chain by a code that is good once, and leave it for good: with real servers and real HTTPS."""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import nats.errors
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.web_server import RUNNER_OPTIONS
from gateway.errors import Conflict, Forbidden, NotFound, StateError
from gateway.fleet.credentials import CredentialFiles, load_credentials, make_trust
from gateway.fleet.documents import ShopRecord
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.join import JoinFailed, JoinRefused, forget_key, join_chain
from gateway.fleet.join_code import JoinCode
from gateway.fleet.subjects import DESIRED, SHOPS
from gateway.membership import save_membership
from gateway.office import join as office_join
from gateway.office import jwt
from gateway.office.bucket import Bucket, DamagedEntry
from gateway.office.chain_folder import ChainFolder
from gateway.office.changes import change_groups
from gateway.office.desired import DesiredBucket
from gateway.office.enrolment import Enrolment
from gateway.office.join import PREFIX, TRIES_PER_MINUTE, JoinService, make_server_tls
from gateway.office.nkey import KeyKind, SigningKey
from gateway.office.office import Office
from gateway.office.revocation import reconcile, revoke
from gateway.office.shops import ShopList, load_shop, load_shops
from gateway.storage.state_directory import MEMBERSHIP_FILES
from tests.fleet.cluster import HeadOffice, make_chain
from tests.office.test_init_command import run
from tests.waiting import until


@contextlib.asynccontextmanager
async def serve(app: web.Application, chain: ChainFolder, port: int) -> AsyncIterator[None]:
    root = web.Application()
    root.add_subapp(PREFIX, app)
    runner = web.AppRunner(root, **RUNNER_OPTIONS | {"lingering_time": 0.1})
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=make_server_tls(chain.authority, "127.0.0.1")).start()
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    """Serve joining shops meanwhile."""
    async with office.connect() as connected:
        port = office.chain.plan.join_address.port
        async with serve(JoinService(connected).make_app(), office.chain, port):
            yield connected


async def join(code: JoinCode, directory: Path) -> CredentialFiles:
    """Join as `fleet join` does, and return the files of the shop."""
    directory.mkdir(exist_ok=True)  # noqa: ASYNC240
    membership = await join_chain(code, directory)
    save_membership(directory, membership)
    return CredentialFiles(**{key: str(directory / name) for key, name in MEMBERSHIP_FILES.items()})


async def read_record(office: Office, shop: str) -> ShopRecord:
    bucket = await office.jetstream.key_value("shops")
    return ShopRecord.model_validate_json((await bucket.get(shop)).value or b"")


async def is_locked_out(office: HeadOffice, files: CredentialFiles) -> bool:
    """Return whether the server says so. It is asked again if it says nothing: it has just started, or is slow."""
    while True:
        try:
            await office.connect_once(load_credentials(files))
        except (OSError, nats.errors.Error) as exc:
            if "authorization violation" in str(exc).lower():
                return True
            await asyncio.sleep(0.05)
        else:
            return False


async def test_a_shop_joins_with_its_code_and_connects(office: HeadOffice, connected: Office, tmp_path: Path) -> None:
    code = await Enrolment(connected).enrol("north-1", title="Station", groups=["north"])
    invited = await read_record(connected, "north-1")
    assert (invited.state, invited.title, invited.groups) == ("invited", "Station", ("north",))
    assert code.secret.hex() not in invited.model_dump_json()
    files = await join(JoinCode.parse(str(code)), tmp_path / "shop")
    async with office.client("north-1", files) as client:
        assert (await client.request("$KV.reported.north-1", b"{}", timeout=60)).data
        wanted = await client.request("$JS.API.DIRECT.GET.KV_desired.$KV.desired.shop.north-1", b"", timeout=60)
        assert json.loads(wanted.data) == {"groups": ["north"]}
    joined = await read_record(connected, "north-1")
    assert (joined.state, joined.code_sha256, joined.code_expires) == ("joined", "", "")
    assert joined.public_key.startswith("U")


async def test_a_code_is_good_for_one_gateway_which_may_ask_again(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    code = await Enrolment(connected).enrol("north-2")
    first = await join_chain(code, tmp_path)
    again = await join_chain(code, tmp_path)  # as if the first response had been lost
    assert again.private_key == first.private_key
    forget_key(code, tmp_path)
    assert os.listdir(tmp_path) == []
    with pytest.raises(JoinRefused, match=r"is wrong, or was used\. If no gateway .*office enrol north-2 --again"):
        await join_chain(code, tmp_path)


async def test_a_gateway_that_joins_more_than_once_at_the_same_time_has_one_key(
    connected: Office, tmp_path: Path
) -> None:
    code = await Enrolment(connected).enrol("north-18")
    joined = await asyncio.gather(*(join_chain(code, tmp_path) for _ in range(4)))
    assert len({one.private_key for one in joined}) == 1
    forget_key(code, tmp_path)
    assert os.listdir(tmp_path) == []


async def test_of_many_gateways_with_one_code_one_joins(connected: Office) -> None:
    code = await Enrolment(connected).enrol("north-3")
    keys = [Ed25519PrivateKey.generate().public_key() for _ in range(8)]
    enrolments = [Enrolment(connected).join("north-3", code.secret, key) for key in keys]
    outcomes = await asyncio.gather(*enrolments, return_exceptions=True)
    [winner] = [one for one in outcomes if not isinstance(one, BaseException)]
    assert sum(isinstance(one, Forbidden) for one in outcomes) == 7
    assert (await read_record(connected, "north-3")).public_key == winner.public_key


async def test_a_code_expires_by_the_clock_of_the_servers(connected: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    own_clock = time.time
    monkeypatch.setattr(time, "time", lambda: own_clock() - 400 * 86_400)
    code = await Enrolment(connected).enrol("north-4", valid_days=7)
    expires = datetime.fromisoformat((await read_record(connected, "north-4")).code_expires)
    assert abs((expires - await connected.read_time()) / timedelta(days=7) - 1) < 0.01
    key = Ed25519PrivateKey.generate().public_key()
    for days, is_good in ((-0.1, False), (0.1, True)):
        later = (await connected.read_time() + timedelta(days=days)).isoformat()

        def change(value: bytes | None, later: str = later) -> bytes:
            record = ShopRecord.model_validate_json(value or b"")
            return record.model_copy(update={"code_expires": later}).model_dump_json().encode()

        await Bucket(connected, SHOPS).change("north-4", change)
        with contextlib.nullcontext() if is_good else pytest.raises(Forbidden, match="was good until"):
            await Enrolment(connected).join("north-4", code.secret, key)


async def test_two_shops_of_one_name_are_refused_with_advice(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    enrolment = Enrolment(connected)
    code = await enrolment.enrol("north-5", title="Market")
    with pytest.raises(Conflict, match=r"north-5 \(Market\) is enrolled .*another name.*--again"):
        await enrolment.enrol("north-5")
    old = await join(code, tmp_path / "old")
    with pytest.raises(Conflict, match=r"has joined, since .*new machine in the same shop --again"):
        await enrolment.enrol("north-5")
    async with office.client("north-5", old) as client:
        lost = asyncio.Event()
        client._disconnected_cb = set_when(lost)
        code = await enrolment.enrol("north-5", again=True)
        await lost.wait()
    assert await is_locked_out(office, old)
    new = await join(code, tmp_path / "new")
    assert not await is_locked_out(office, new)
    assert (await read_record(connected, "north-5")).title == "Market"


def set_when(event: asyncio.Event) -> Any:
    async def note() -> None:
        event.set()

    return note


async def test_what_an_earlier_machine_has_reported_is_not_that_of_the_new_one(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    enrolment = Enrolment(connected)
    shops = ShopList(connected)

    async def report(files: CredentialFiles, key: str, **document: object) -> None:
        async with office.client("north-8", files) as client:
            await client.jetstream().publish(f"$KV.reported.{key}", json.dumps(document).encode())

    async def read_version() -> str | None:
        await shops.refresh()
        return shops.get("north-8").version

    finding = {"check": "disk", "status": "failed", "text": "The disk is full."}
    files = await join(await enrolment.enrol("north-8"), tmp_path / "first")
    await report(files, "north-8", version="1.0.0", failing={"outbox": "the disk is full"})
    await report(files, "north-8.findings", findings=[finding], time="2026-11-29T12:00:00Z")
    assert await read_version() == "1.0.0"
    assert len(shops.get("north-8").troubles) == 2
    code = await enrolment.enrol("north-8", again=True)
    assert await read_version() is None
    assert (shops.get("north-8").troubles, shops.get("north-8").heard_at) == ((), None)
    files = await join(code, tmp_path / "second")
    await report(files, "north-8", version="2.0.0", failing={"link": "it is slow"})
    assert await read_version() == "2.0.0"
    assert [one.name for one in (await load_shops(connected)).get("north-8").troubles] == ["link"]
    await enrolment.retire("north-8")
    assert await read_version() is None
    assert (await load_shop(connected, "north-8"))["troubles"] == []


async def test_a_retired_shop_is_disconnected_at_once_and_stays_out(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    enrolment = Enrolment(connected)
    files = await join(await enrolment.enrol("north-6", groups=["north"]), tmp_path / "shop")
    other = await join(await enrolment.enrol("north-7"), tmp_path / "other")
    async with office.client("north-6", files) as client, office.client("north-7", other) as stays:
        lost = asyncio.Event()
        client._disconnected_cb = set_when(lost)
        await enrolment.retire("north-6")
        await lost.wait()
        assert (await stays.request("$KV.reported.north-7", b"{}", timeout=60)).data
    assert await is_locked_out(office, files)
    assert not await is_locked_out(office, other)
    assert (await read_record(connected, "north-6")).state == "retired"
    async with office.client() as client:
        response = await client.request("$JS.API.DIRECT.GET.KV_desired.$KV.desired.shop.north-6", b"", timeout=60)
        assert (response.headers or {}).get("Status") == "404"
    await enrolment.retire("north-6")
    with pytest.raises(NotFound, match="no shop is called north-99"):
        await enrolment.retire("north-99")
    with pytest.raises(NotFound, match="no shop is called north-99"):
        await enrolment.enrol("north-99", again=True)
    with pytest.raises(NotFound, match="no shop is called north-99"):
        await enrolment.check("north-99")
    await enrolment.enrol("north-6", again=True)  # it opens again, with a new code


async def test_a_shop_that_comes_back_is_in_its_groups_as_the_list_says(connected: Office) -> None:
    """To retire it forgets what was wanted of it, and with that of which groups its gateway follows the documents."""
    enrolment, desired = Enrolment(connected), DesiredBucket(connected)
    await enrolment.enrol("north-9", groups=["north"])
    for again in (False, True):
        await enrolment.retire("north-9")
        await enrolment.enrol("north-9", again=again)
        assert (await read_record(connected, "north-9")).groups == ("north",)
        assert (await desired.get("shop.north-9")).groups == ("north",)
    await enrolment.enrol("north-10")
    assert (await desired.get("shop.north-10")).revision == 0


async def test_a_restored_folder_and_restarted_servers_keep_who_is_revoked(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    enrolment = Enrolment(connected)
    files = [await join(await enrolment.enrol(f"south-{number}"), tmp_path / str(number)) for number in range(3)]
    keys = [(await read_record(connected, f"south-{number}")).public_key for number in range(3)]
    backup = tmp_path / "chain"
    shutil.copytree(office.chain.path, backup)
    await enrolment.retire("south-0")
    restored = ChainFolder.open(backup)
    assert keys[0] not in restored.account_token
    async with Office.connect(restored) as old:
        await Enrolment(old).retire("south-1")
        assert not await reconcile(old)
    for one in files[:2]:
        assert await is_locked_out(office, one)
    assert not await is_locked_out(office, files[2])
    operator, account = restored.operator.public, restored.account.public
    assert jwt.read_account(restored.account_token, operator, account)[1] >= {keys[0], keys[1]}
    [node] = office.nodes
    await node.kill()
    await node.start()
    await until_connected(office)
    assert [await is_locked_out(office, one) for one in files] == [True, True, False]


async def until_connected(office: HeadOffice) -> None:
    while True:
        with contextlib.suppress(nats.errors.Error, HeadOfficeUnavailable):
            async with office.connect() as connected:
                await connected.jetstream.key_value("shops")
                return
        await asyncio.sleep(0.05)


async def test_what_a_cluster_from_yesterday_forgot_is_revoked_again(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    """The folder knows it; the bucket is put back as it was, and the server gets an older list of revocations."""
    key = SigningKey.create(KeyKind.U).public
    await revoke(connected, [key])
    chain = office.chain
    issued_at, _ = jwt.read_account(chain.account_token, chain.operator.public, chain.account.public)
    older = chain.make_account_token((), issued_at + 1)
    bucket = await connected.jetstream.key_value("office")
    await bucket.put("account", older.encode())
    for token in (older, *chain.make_other_tokens(older).values()):
        await connected.observer.request("$SYS.REQ.CLAIMS.UPDATE", token.encode(), timeout=60)
    assert await reconcile(connected)
    stored = ((await bucket.get("account")).value or b"").decode()
    assert key in jwt.read_account(stored, chain.operator.public, chain.account.public)[1]
    assert not await reconcile(connected)


async def test_two_head_offices_that_revoke_at_once_lose_nothing(office: HeadOffice, tmp_path: Path) -> None:
    shutil.copytree(office.chain.path, tmp_path / "chain")
    keys = [SigningKey.create(KeyKind.U).public for _ in range(8)]
    async with office.connect() as one, Office.connect(ChainFolder.open(tmp_path / "chain")) as two:
        await asyncio.gather(*(revoke(one if number % 2 else two, [key]) for number, key in enumerate(keys)))
        chain = office.chain
        for account in (chain.account.public, chain.shops_account.public, chain.readers_account.public):
            lookup = f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"
            token = (await one.observer.request(lookup, b"", timeout=60)).data.decode()
            _, revoked = jwt.read_account(token, office.chain.operator.public, account)
            assert revoked >= {*keys}


async def test_init_brings_the_servers_to_what_this_version_lets_a_shop_do(connected: Office) -> None:
    """A folder from an earlier version has tokens that say something else."""
    chain, observer = connected.folder, connected.observer
    issued_at, revoked = jwt.read_account(chain.account_token, chain.operator.public, chain.account.public)
    earlier = jwt.make_account(chain.operator, chain.account.public, "old", revoked=revoked, issued_at=issued_at + 1)
    bucket = await connected.jetstream.key_value("office")
    await bucket.put("account", earlier.encode())
    await observer.request("$SYS.REQ.CLAIMS.UPDATE", earlier.encode(), timeout=60)
    assert await reconcile(connected)
    lookup = f"$SYS.REQ.ACCOUNT.{chain.account.public}.CLAIMS.LOOKUP"
    assert (await observer.request(lookup, b"", timeout=60)).data.decode() == chain.account_token != earlier
    assert not await reconcile(connected)


async def test_another_authority_gets_nothing(office: HeadOffice, connected: Office, tmp_path: Path) -> None:
    code = await Enrolment(connected).enrol("west-1")
    with pytest.raises(JoinFailed, match="is not the head office of this join code, so nothing was sent"):
        await join_chain(code._replace(fingerprint=bytes(16)), tmp_path)
    # One in between shows the right authority, which is no secret, and has no certificate of it.
    got: list[bytes] = []

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=office.chain.authority.pem)

    async def take(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_get("/authority", show)
    app.router.add_post("", take)
    other = make_chain(tmp_path / "other", 1)
    async with serve(app, other, other.plan.join_address.port):
        with pytest.raises(JoinFailed, match=r"cannot be reached.*unable to get local issuer"):
            await join_chain(code._replace(port=other.plan.join_address.port), tmp_path)
    assert got == []
    await join_chain(code, tmp_path)


async def test_a_head_office_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(JoinFailed, match=r"127\.0\.0\.1:1 cannot be reached, so the shop has not joined"):
        await join_chain(JoinCode("127.0.0.1", 1, "west-2", bytes(16), bytes(16)), tmp_path)


def make_request(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    algorithm = None if isinstance(key, Ed25519PrivateKey) else SHA256()
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, algorithm)
    return signed.public_bytes(Encoding.PEM).decode()


async def test_bad_requests_are_refused_and_wrong_codes_limited(office: HeadOffice, connected: Office) -> None:
    code = await Enrolment(connected).enrol("west-3")
    good = {"shop": "west-3", "secret": code.secret.hex(), "request": make_request(Ed25519PrivateKey.generate())}
    url = f"https://{office.chain.plan.join_address}{PREFIX}"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=make_trust(office.chain.office_files.ca_file))
    ) as session:

        async def post(body: bytes) -> tuple[int, str]:
            async with session.post(url, data=body) as response:
                return response.status, (await response.json())["error"]

        for wrong in (
            b"",
            b"[]",
            json.dumps(good | {"shop": "west.3"}).encode(),
            json.dumps(good | {"secret": code.secret.hex().upper() + "0"}).encode(),
            json.dumps(good | {"request": "nonsense"}).encode(),
            json.dumps(good | {"request": make_request(ec.generate_private_key(ec.SECP256R1()))}).encode(),
        ):
            assert await post(wrong) == (400, "invalid")
        assert await post(b"x" * 100_000) == (413, "too_large")
        wrong_code = json.dumps(good | {"secret": "00" * 16}).encode()
        outcomes = [await post(wrong_code) for _ in range(TRIES_PER_MINUTE)]
        assert (403, "refused") in outcomes
        assert outcomes[-1] == (429, "too_many")


@pytest.mark.parametrize(
    "text",
    ["", "x", "a.example:7443/shop", "a.example:0/shop/AAAA", "a.example:99999/shop/AAAA", "a:1/s.s/A", "é" * 600],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must look as"):
        JoinCode.parse(text)


def test_a_mistyped_code_is_known_as_one() -> None:
    code = JoinCode("a.example", 7443, "shop-1", bytes(range(16)), bytes(range(16, 32)))
    text = str(code)
    assert JoinCode.parse(f" {text[:30]}\n  {text[30:].lower()}\r\n") == code
    for position in range(len(text) - 55, len(text)):
        letter = "B" if text[position] != "B" else "C"
        with pytest.raises(ValueError, match="a letter is wrong or missing"):
            JoinCode.parse(text[:position] + letter + text[position + 1 :])
    with pytest.raises(ValueError, match="a letter is wrong or missing"):
        JoinCode.parse(text[:-1])
    for letter in set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") - {text[-1]}:  # some differ in bits that hold nothing
        with pytest.raises(ValueError, match="a letter is wrong or missing"):
            JoinCode.parse(text[:-1] + letter)


def test_a_mistyped_address_or_shop_is_known_as_one() -> None:
    text = str(JoinCode("office.example", 7443, "lyon-1", bytes(range(16)), bytes(range(16, 32))))
    for wrong in (("lyon-1", "lion-1"), ("lyon-1", "lyon-2"), ("lyon-1", "Lyon-1"), ("office", "offlce"), ("44", "45")):
        assert text != text.replace(*wrong)
        with pytest.raises(ValueError, match="a letter is wrong or missing"):
            JoinCode.parse(text.replace(*wrong))
    assert JoinCode.parse(text.replace("office", "OFFICE")).shop == "lyon-1"


def test_a_code_is_read_as_it_arrives_in_a_chat() -> None:
    """Typed in full-width letters, as Chinese input has them, or copied with characters that nobody sees."""
    code = JoinCode("office.example", 7443, "lyon-1", bytes(range(16)), bytes(range(16, 32)))
    text = str(code)
    wide = "".join(chr(ord(one) + 0xFEE0) for one in text)
    for shown in (wide, wide.replace("\uff0e", "\u3002"), f"\ufeff\u200b{text[:20]}\u2028\u3000{text[20:]}\u2060"):
        assert JoinCode.parse(shown) == code


async def test_a_body_that_comes_too_slowly_ends_its_connection(
    office: HeadOffice, connected: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_join, "MAX_DURATION_S", 0.3)
    port = office.chain.plan.join_address.port
    tls = make_trust(ca_pem=office.chain.authority.pem.decode())
    receiver, sender = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
    sender.write(f"POST {PREFIX} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n".encode())

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                sender.write(b" ")
                await sender.drain()
                await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    answer = await receiver.read()  # to the end: the service closes the connection
    dripping.cancel()
    sender.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"] == "too_slow"


async def test_a_damaged_document_costs_no_shop_its_machine_or_its_code(connected: Office) -> None:
    enrolment = Enrolment(connected)
    await enrolment.enrol("damaged-1", groups=["north"])
    before, documents = await Bucket(connected, SHOPS).get("damaged-1"), Bucket(connected, DESIRED)
    await documents.put("shop.damaged-1", b"{oops", (await documents.get("shop.damaged-1")).revision)
    with pytest.raises(DamagedEntry, match="unset document --shop damaged-1"):
        await enrolment.enrol("damaged-1", again=True)
    with pytest.raises(DamagedEntry, match="unset document --shop damaged-1"):
        await change_groups(connected, "damaged-1", add=["south"])
    assert await Bucket(connected, SHOPS).get("damaged-1") == before


async def test_a_damaged_record_of_a_shop_is_named(connected: Office) -> None:
    await Bucket(connected, SHOPS).put("damaged-2", b"{oops", 0)
    known = await load_shops(connected)
    for look in (change_groups(connected, "damaged-2", add=["south"]), load_shop(connected, "damaged-2")):
        with pytest.raises(DamagedEntry, match="the record of the shop damaged-2"):
            await look
    with pytest.raises(DamagedEntry, match="the record of the shop damaged-2"):
        known.get("damaged-2")


async def test_a_shop_whose_record_is_damaged_is_retired_by_the_command_that_its_error_names(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    files = await join(await Enrolment(connected).enrol("north-29"), tmp_path / "shop")
    bucket = Bucket(connected, SHOPS)
    async with office.client("north-29", files) as client:
        await bucket.put("north-29", b"{oops", (await bucket.get("north-29")).revision)
        with pytest.raises(StateError, match=r"damaged.*`sunmi-gateway office retire north-29`"):
            await Enrolment(connected).enrol("north-29", again=True)
        chosen = ("--folder", str(office.chain.path))
        status, output, errors = await run("retire", "north-29", "--yes", *chosen)
        assert (status, "north-29: retired" in output) == (0, True), errors
        await until(lambda: not client.is_connected)
    assert await is_locked_out(office, files)
    assert (await read_record(connected, "north-29")).state == "retired"
    await Enrolment(connected).enrol("north-29")
