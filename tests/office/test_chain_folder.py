"""The folder of a head office: whole or not there, never overwritten, readable by its owner alone."""

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import GatewayError, SettingsError, StateError
from gateway.office import jwt
from gateway.office.authority import ChainAuthority
from gateway.office.chain_folder import ChainFolder
from gateway.office.nkey import KeyKind, SigningKey, decode_public_key
from gateway.office.plan import make_plan

PLAN = make_plan(servers=["a.example:4222", "b.example:4222", "b.example:4223"], name="north")


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    chain = ChainFolder.create(tmp_path / "chain", PLAN)
    found = [chain.path, *chain.path.rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert [path.name for path in tmp_path.iterdir()] == ["chain"]


def test_it_is_opened_as_it_was_made(tmp_path: Path) -> None:
    made = ChainFolder.create(tmp_path / "chain", PLAN)
    opened = ChainFolder.open(tmp_path / "chain")
    assert (opened.plan.servers, opened.plan.places) == (PLAN.servers, PLAN.places)
    assert opened.authority.fingerprint == made.authority.fingerprint
    assert opened.account.public == made.account.public
    assert [(place.name, place.cluster_port) for place in PLAN.places] == [
        ("north-1", 6222), ("north-2", 6222), ("north-3", 6223)
    ]  # fmt: skip
    assert str(opened.plan.join_address) == "a.example:7443"


def test_what_is_in_a_folder_stays(tmp_path: Path) -> None:
    chain = ChainFolder.create(tmp_path / "chain", PLAN)
    before = {file: file.read_bytes() for file in chain.path.rglob("*") if file.is_file()}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("chain", "full", "file", "/"):
        with pytest.raises(StateError, match="is not empty"):
            ChainFolder.create(tmp_path / name, PLAN)
    assert {file: file.read_bytes() for file in chain.path.rglob("*") if file.is_file()} == before
    (tmp_path / "empty").mkdir()
    ChainFolder.create(tmp_path / "empty", PLAN)


MAKE_AND_DIE = """
import os, sys
from pathlib import Path
from gateway.office import chain_folder
from gateway.office.plan import make_plan
write, left = chain_folder.write_private, int(sys.argv[2])
def write_some(path, content):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    write(path, content)
chain_folder.write_private = write_some
chain_folder.ChainFolder.create(Path(sys.argv[1]), make_plan(servers=["a.example:4222"]))
"""


@pytest.mark.parametrize("written", [0, 7, 18])
def test_a_crash_in_the_middle_leaves_no_folder(tmp_path: Path, written: int) -> None:
    folder = tmp_path / "chain"
    words = [sys.executable, "-c", MAKE_AND_DIE, str(folder), str(written)]
    assert subprocess.run(words, check=False).returncode == -9
    assert not folder.exists()
    ChainFolder.create(folder, PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["chain"]


def test_a_disk_that_is_full_leaves_no_keys(tmp_path: Path) -> None:
    # -B, as a compiled module that is cut short would be found by the next process.
    words = ("prlimit", "--fsize=3000", sys.executable, "-Bm", "gateway", "office", "init", str(tmp_path / "chain"))
    failed = subprocess.run([*words, "--servers", "a.example:4222"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "cannot be written: " in failed.stderr
    assert [*tmp_path.iterdir()] == []


MAKE_SLOWLY = """
import sys
from pathlib import Path
from gateway.office import chain_folder
from gateway.office.plan import make_plan
write = chain_folder.write_private
def wait_and_write(path, content):
    print("begun", flush=True)
    sys.stdin.readline()
    write(path, content)
    chain_folder.write_private = write
chain_folder.write_private = wait_and_write
chain_folder.ChainFolder.create(Path(sys.argv[1]), make_plan(servers=["a.example:4222"], name="first"))
"""


def test_two_that_make_a_chain_at_once_do_not_mix_their_keys(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    words = [sys.executable, "-c", MAKE_SLOWLY, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(StateError, match="is being made by another"):
            ChainFolder.create(folder, PLAN)
        first.stdin.write(b"\n")
    assert first.returncode == 0
    assert ChainFolder.open(folder).plan.name == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["chain"]


@pytest.mark.parametrize("name", ["cluster.secret", "operator.jwt", "system.jwt"])
@pytest.mark.parametrize("kept", [0, 10, -1])
def test_servers_get_nothing_that_is_damaged(tmp_path: Path, name: str, kept: int) -> None:
    """With an empty password, whoever has a certificate of the chain would pass for a server."""
    chain = ChainFolder.create(tmp_path / "chain", PLAN)
    before = (chain.server_folder("north-1") / "server.conf").read_bytes()
    file = chain.path / name
    whole = file.read_bytes()
    for content in (whole[:kept], b"\xff\x00" + whole):
        file.write_bytes(content)
        with pytest.raises(StateError, match=rf"{name} is damaged: .*; bring it back"):
            chain.write_servers()
    file.write_bytes(whole + b"\r\n")  # by an editor
    chain.write_servers()
    assert (chain.server_folder("north-1") / "server.conf").read_bytes() == before


def test_damage_is_named(tmp_path: Path) -> None:
    chain = ChainFolder.create(tmp_path / "chain", PLAN)
    (chain.path / "operator.nk").write_text("SOnonsense")
    with pytest.raises(StateError, match=r"operator\.nk is damaged"):
        _ = chain.operator
    (chain.path / "account.nk").unlink()
    with pytest.raises(StateError, match=r"account\.nk: cannot be read: .*your copy"):
        _ = chain.account
    other = ChainAuthority.create("other")
    (chain.path / "authority.key").write_bytes(other.key_pem)
    with pytest.raises(StateError, match=r"authority\.key is damaged"):
        _ = chain.authority
    (chain.path / "office.toml").write_text("servers = 3")
    with pytest.raises(SettingsError, match=r"office\.toml: servers"):
        ChainFolder.open(chain.path)
    shutil.rmtree(chain.path)
    with pytest.raises(StateError, match="no folder of a head office"):
        ChainFolder.open(chain.path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"servers": ["a.example"]}, "servers: 'a.example' must be a host and a port"),
        ({"servers": ["a.example:1", "b.example:1"]}, "with two, the loss of one stops both"),
        ({"servers": ["a.example:1"] * 3}, "three different ones"),
        ({"servers": ["a.example:1"], "name": "the chain"}, "name: "),
        ({"servers": ["a.example:1"], "join": "here"}, "join: 'here' must be a host and a port"),
        ({"servers": ["a.example:1"], "cluster_ports": [1, 2]}, "one port, or one for each server"),
        (
            {"servers": ["a.example:1", "a.example:2", "a.example:3"], "cluster_ports": [2]},
            "port 2 of a.example is named twice",
        ),
        ({"servers": ["a.example:4222"], "mqtt_port": 4222}, "port 4222 of a.example is named twice"),
        ({"servers": ["a.example:4222"], "mqtt_port": 70000}, "mqtt_port: "),
        (
            {"servers": ["a.example:1", "a.example:2", "a.example:3"], "cluster_ports": [65534]},
            "there is no port 65536",
        ),
        ({"servers": ["a.example:1", "a.example:2", "a.example:3"], "mqtt_port": 65535}, "there is no port 65537"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(GatewayError) as caught:
        make_plan(**values)
    assert reason in str(caught.value)


def test_the_newest_token_is_what_a_new_server_begins_with(tmp_path: Path) -> None:
    chain = ChainFolder.create(tmp_path / "chain", PLAN)
    token = chain.make_account_token(["UX"], 10**10)
    chain.save_account_token(token)
    for place in PLAN.places:
        configuration = json.loads((chain.server_folder(place.name) / "server.conf").read_text())
        assert configuration["resolver_preload"][chain.account.public] == token
        for account in (chain.shops_account.public, chain.readers_account.public):
            other = configuration["resolver_preload"][account]
            assert jwt.read_account(other, chain.operator.public, account) == (10**10, frozenset(["UX"]))


def test_a_token_is_read_only_if_the_operator_has_signed_it(tmp_path: Path) -> None:
    operator, account, other = (SigningKey.create(kind) for kind in (KeyKind.O, KeyKind.A, KeyKind.O))
    token = jwt.make_account(operator, account.public, "x", revoked=["UB", "UA"], issued_at=10**12)
    assert jwt.read_account(token, operator.public, account.public) == (10**12, frozenset(["UA", "UB"]))
    head, claims, signature = token.split(".")
    for wrong in ("", "a.b.c", f"{head}.{claims[:-2]}xx.{signature}", f"{head}.{claims}.{signature[:-4]}AAAA"):
        with pytest.raises(ValueError):  # noqa: PT011  each says something else
            jwt.read_account(wrong, operator.public, account.public)
    with pytest.raises(ValueError, match="another operator"):
        jwt.read_account(token, other.public, account.public)


def test_keys_are_those_of_the_servers_tools() -> None:
    """The example in the documentation of NATS: a seed, and the key that belongs to it."""
    key = SigningKey.parse("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", KeyKind.U)
    assert key.public == "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
    assert key.seed == "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
    assert len(decode_public_key(key.public, KeyKind.U)) == 32
    for wrong in (key.public, key.seed[:-1] + "A", "SU", "", key.seed.replace("SU", "SA")):
        with pytest.raises(ValueError, match=r"it is no|its check digits|it is not"):
            SigningKey.parse(wrong, KeyKind.U)


def test_servers_need_no_new_file_for_a_revocation(tmp_path: Path) -> None:
    chain = ChainFolder.create(tmp_path / "chain", make_plan(servers=["127.0.0.1:4222"]))
    assert not chain.write_servers()
    file = chain.server_folder("chain-1") / "server.conf"
    file.write_text(file.read_text().replace(chain.account_token, "an earlier token"))
    assert not chain.write_servers()
    assert chain.account_token in file.read_text()
    file.write_text("port: 4222  # by hand")
    assert chain.write_servers()
    assert not chain.write_servers()
