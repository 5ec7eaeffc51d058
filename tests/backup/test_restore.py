"""What restoring refuses, what it puts aside, and what a backup leaves out."""

import gzip
import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access.token_table import TokenTable
from gateway.backup.create import create_backup
from gateway.backup.restore import restore_backup
from gateway.errors import StateError
from gateway.runtime.supervisor import Supervisor
from gateway.settings import load_settings
from gateway.storage.database import Database
from gateway.storage.migrations import load_packaged
from gateway.storage.state_directory import StateDirectory

WIFI_PASSWORD = "plenty-of-coffee-in-a-job"


class Machine:
    """A machine with settings, a file beside them, and a state."""

    def __init__(self, folder: Path) -> None:
        self.settings_file = folder / "etc" / "gateway.toml"
        self.state = folder / "state"
        self.secret = folder / "etc" / "secret"

    async def furnish(self) -> None:
        self.settings_file.parent.mkdir(parents=True)
        self.secret.write_text("the-account-secret")
        self.settings_file.write_text(
            f'[cloud]\napp_id = "A"\nsecret_key_file = "{self.secret}"\n[storage]\ndirectory = "{self.state}"\n'
        )
        directory = StateDirectory.acquire(self.state)
        database = await Database.open(directory.database)
        tokens = await TokenTable.open(database, Supervisor(), uptime_s=time.monotonic)
        await tokens.create("till 1", "pos")
        await database.execute("INSERT INTO provisioning_job VALUES ('SN', ?)", (WIFI_PASSWORD,))
        await tokens.close()
        await database.close()
        directory.release()

    def backup(self, target: Path) -> Path:
        create_backup(load_settings(self.settings_file), self.settings_file, target)
        return target

    async def restore(self, file: Path, *, replace: bool = False) -> dict[str, Any]:
        return await restore_backup(file, self.settings_file, replace=replace)

    def tokens(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT name FROM token")]

    def rows(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.state / "gateway.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def everything(self) -> dict[str, bytes]:
        root = self.state.parent
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "old")
    await made.furnish()
    return made


@pytest.fixture
def file(machine: Machine, tmp_path: Path) -> Path:
    return machine.backup(tmp_path / "backup.tar.gz")


Edit = Callable[[dict[str, bytes]], None]


def edited(file: Path, edit: Edit) -> Path:
    """Return another archive, with changed members but right checksums."""
    members: dict[str, bytes] = {}
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            members[member.name.removeprefix("sunmi-gateway/")] = content.read()
    edit(members)
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = {
        name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != "manifest.json"
    }
    members["manifest.json"] = json.dumps(manifest).encode()
    other = file.with_name("edited.tar.gz")
    with tarfile.open(other, "w:gz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(f"sunmi-gateway/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return other


async def test_the_state_that_is_there_is_kept_aside(machine: Machine, file: Path) -> None:
    database = await Database.open(machine.state / "gateway.db")
    await (await TokenTable.open(database, Supervisor(), uptime_s=time.monotonic)).create("newer", "pos")
    await database.close()
    machine.settings_file.write_text(machine.settings_file.read_text() + "# newer\n")
    machine.secret.write_text("newer secret")
    before = machine.everything()
    with pytest.raises(StateError, match="holds a state already; --replace"):
        await machine.restore(file)
    assert machine.everything() == before
    done = await machine.restore(file, replace=True)
    assert machine.tokens() == ["till 1"]
    assert "newer" not in machine.settings_file.read_text() + machine.secret.read_text()
    assert sorted(Path(one).name for one in done["put_aside"]) == [
        "gateway.toml.replaced-1", "replaced-1", "secret.replaced-1",
    ]  # fmt: skip
    assert "# newer" in machine.settings_file.with_name("gateway.toml.replaced-1").read_text()
    aside = Machine(machine.state.parent)
    aside.state = machine.state / "replaced-1"
    assert sorted(aside.tokens()) == ["newer", "till 1"]
    await machine.restore(file, replace=True)
    assert (machine.state / "replaced-2").is_dir()
    again = machine.backup(file.with_name("again.tar.gz"))
    with tarfile.open(again) as archive:
        assert not [name for name in archive.getnames() if "replaced" in name]


async def test_other_settings_are_not_overwritten_unasked(machine: Machine, file: Path) -> None:
    machine.state.rename(machine.state.with_name("gone"))
    text = machine.settings_file.read_text() + "# mine\n"
    machine.settings_file.write_text(text)
    with pytest.raises(StateError, match=r"gateway\.toml exists with other content"):
        await machine.restore(file)
    assert machine.settings_file.read_text() == text
    assert not (machine.state / "gateway.db").exists()


async def test_a_folder_of_something_else_is_never_replaced(machine: Machine, file: Path) -> None:
    machine.state.rename(machine.state.with_name("gone"))
    machine.state.mkdir()
    (machine.state / "precious").write_text("x")
    with pytest.raises(StateError, match="something else"):
        await machine.restore(file, replace=True)
    assert (machine.state / "precious").read_text() == "x"


async def test_what_comes_back_is_private_and_goes_on_anew(machine: Machine, file: Path) -> None:
    [before] = machine.rows("SELECT epoch FROM event_log")
    machine.state.rename(machine.state.with_name("gone"))
    done = await machine.restore(file)
    assert done["held"] == 0
    assert machine.rows("SELECT held_at FROM outbox WHERE held_at IS NOT NULL") == [], (
        "an empty queue has nothing to hold"
    )
    assert machine.rows("SELECT epoch FROM event_log") != [before]
    modes = {stat.S_IMODE(one.stat().st_mode) for one in machine.state.iterdir() if one.name != "gateway.lock"}
    assert modes == {0o600}
    assert sorted(one.name for one in machine.state.iterdir()) == ["gateway.db", "gateway.db-schema", "gateway.lock"]


async def test_changed_settings_that_are_not_valid_are_set_aside(machine: Machine, tmp_path: Path) -> None:
    (machine.state / "settings.toml").write_text("[video]\nmax_streams = 99\n")
    file = machine.backup(tmp_path / "invalid.tar.gz")
    done = await machine.restore(file, replace=True)
    assert "video.max_streams" in done["changed_settings"]
    assert not (machine.state / "settings.toml").exists()
    assert "99" in (machine.state / "settings.toml.bad-1").read_text()
    (machine.state / "settings.toml").write_text("[video]\nmax_streams = 3\n")
    file = machine.backup(tmp_path / "valid.tar.gz")
    assert (await machine.restore(file, replace=True))["changed_settings"] is None
    assert "3" in (machine.state / "settings.toml").read_text()


async def test_passwords_of_work_under_way_stay_behind(machine: Machine, file: Path) -> None:
    assert machine.rows("SELECT state FROM provisioning_job") == [(WIFI_PASSWORD,)], "the backup takes nothing away"
    assert WIFI_PASSWORD.encode() not in unpacked(file)
    assert b"the-account-secret" in unpacked(file)


async def test_a_file_elsewhere_is_left_to_a_person(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text("a root")
    text = machine.settings_file.read_text().replace("[cloud]\n", f'[cloud]\nca_file = "{elsewhere}"\n')
    machine.settings_file.write_text(text)
    file = machine.backup(tmp_path / "backup.tar.gz")
    elsewhere.unlink()
    machine.secret.unlink()
    machine.state.rename(machine.state.with_name("gone"))
    done = await machine.restore(file)
    assert done["left_out"] == {"cloud.ca_file": str(elsewhere)}
    assert not elsewhere.exists()
    assert machine.secret.read_text() == "the-account-secret"


async def test_a_restoration_that_was_cut_off_can_be_repeated(machine: Machine, file: Path) -> None:
    await machine.restore(file, replace=True)
    (machine.state / "gateway.db").unlink()
    (machine.state / "authority.pem").write_text("came before the database did")
    (machine.state / "restoring").mkdir()
    (machine.state / "restoring" / "gateway.db").write_bytes(b"half")
    await machine.restore(file, replace=True)
    assert machine.tokens() == ["till 1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another user")
async def test_root_restores_for_the_services_user(machine: Machine, file: Path) -> None:
    service = 12345
    for one in (machine.state, *machine.state.iterdir(), machine.settings_file):
        os.chown(one, service, service)
    machine.settings_file.write_text("# of the package\n" + machine.settings_file.read_text())
    machine.settings_file.chmod(0o640)
    await machine.restore(file, replace=True)
    for one in (machine.settings_file, *machine.state.rglob("*")):
        assert (one.stat().st_uid, one.stat().st_gid) == (service, service), one
    assert stat.S_IMODE(machine.settings_file.stat().st_mode) == 0o640, "its group may read it still"


async def test_an_archive_does_not_name_the_directory(machine: Machine, file: Path, tmp_path: Path) -> None:
    """It is that of this machine's settings, and the restored settings name it too."""
    elsewhere, own = tmp_path / "elsewhere", tmp_path / "own"

    def move(members: dict[str, bytes]) -> None:
        text = members["settings/gateway.toml"].replace(str(machine.state).encode(), str(elsewhere).encode())
        members["settings/gateway.toml"] = text

    other = edited(file, move)
    machine.settings_file.write_text(f'[storage]\ndirectory = "{own}"\n')
    done = await machine.restore(other, replace=True)
    assert done["directory"] == str(own)
    assert not elsewhere.exists()
    assert load_settings(machine.settings_file).storage.directory == str(own)
    assert 'app_id = "A"' in machine.settings_file.read_text()
    machine.state = own
    assert machine.tokens() == ["till 1"]


async def test_a_machine_without_settings_has_the_usual_directory(
    machine: Machine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "usual"))
    machine.settings_file.unlink()
    done = await machine.restore(file)
    assert done["directory"] == str(tmp_path / "usual")
    assert load_settings(machine.settings_file).storage.directory == ""


@pytest.mark.parametrize("name", [".profile", "sitecustomize.py", "gateway.toml", "ld.so.preload", "run.sh"])
async def test_an_archive_does_not_choose_what_is_written_beside_the_settings(
    machine: Machine, file: Path, name: str
) -> None:
    path = machine.settings_file.with_name(name)

    def rename(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["named"] = {"cloud.secret_key_file": str(path)}
        members["manifest.json"] = json.dumps(manifest).encode()

    machine.secret.unlink()
    before = path.read_bytes() if path.exists() else None
    done = await machine.restore(edited(file, rename), replace=True)
    assert done["left_out"] == {"cloud.secret_key_file": str(path)}
    assert (path.read_bytes() if path.exists() else None) == before


async def test_restored_files_have_the_rights_of_the_settings(machine: Machine, file: Path) -> None:
    machine.secret.unlink()
    machine.settings_file.chmod(0o640)
    await machine.restore(file, replace=True)
    assert stat.S_IMODE(machine.secret.stat().st_mode) == 0o640, "the service reads it by its group"


def newer_schema(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps({**manifest, "schema": [*manifest["schema"], "990_future"]}).encode()


def newer_format(members: dict[str, bytes]) -> None:
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), "format": 2}).encode()


def hidden_newer_schema(members: dict[str, bytes]) -> None:
    newest = load_packaged()[-1].name.encode()
    members["state/gateway.db"] = members["state/gateway.db"].replace(newest, newest[:-1] + b"z")


def climbing(members: dict[str, bytes]) -> None:
    members["state/../../outside"] = b"x"


def absolute(members: dict[str, bytes]) -> None:
    members["files//etc/outside"] = b"x"


def stray(members: dict[str, bytes]) -> None:
    members["state/.bashrc"] = b"touch /tmp/owned"


def stray_file(members: dict[str, bytes]) -> None:
    members["files/cloud.environment"] = b"x"


def climbing_template(members: dict[str, bytes]) -> None:
    members["state/label-templates/../../../outside"] = b"x"


def program_among_templates(members: dict[str, bytes]) -> None:
    members["state/label-templates/run.sh"] = b"x"


def huge_template(members: dict[str, bytes]) -> None:
    members["state/label-templates/price.toml"] = bytes(65537)


def huge(members: dict[str, bytes]) -> None:
    members["state/authority.pem"] = bytes(1024 * 1024 + 1)


def huge_settings(members: dict[str, bytes]) -> None:
    members["settings/gateway.toml"] += b"#" * 1024 * 1024


def deep_settings(members: dict[str, bytes]) -> None:
    members["settings/gateway.toml"] += b"\n[future]\nkey = " + b"[" * 100000


def broken_database(members: dict[str, bytes]) -> None:
    members["state/gateway.db"] = members["state/gateway.db"][:8192] + bytes(8192) + members["state/gateway.db"][16384:]


def unknown_setting(members: dict[str, bytes]) -> None:
    members["settings/gateway.toml"] += b"\n[future]\nkey = 1\n"


def no_database(members: dict[str, bytes]) -> None:
    del members["state/gateway.db"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (newer_schema, "990_future"),
        (newer_format, "another format"),
        (hidden_newer_schema, "newer gateway"),
        (climbing, "does not belong into a backup"),
        (absolute, "does not belong into a backup"),
        (stray, "does not belong into a backup"),
        (stray_file, "does not belong into a backup"),
        (climbing_template, "does not belong into a backup"),
        (program_among_templates, "does not belong into a backup"),
        (huge_template, "at most 65536 are restored"),
        (huge, "at most 1048576 are restored"),
        (huge_settings, "at most 1048576 are restored"),
        (deep_settings, "not valid TOML"),
        (broken_database, "damaged"),
        (unknown_setting, "future"),
        (no_database, "state/gateway.db is missing"),
    ],
)
async def test_an_archive_that_must_not_be_restored(machine: Machine, file: Path, edit: Edit, reason: str) -> None:
    other = edited(file, edit)
    before = machine.everything()
    with pytest.raises(Exception, match=reason) as refused:
        await machine.restore(other, replace=True)
    assert type(refused.value).__name__ in ("StateError", "SettingsError")
    assert machine.everything() == before
    assert not (machine.state.parent.parent / "outside").exists()


def manifest_changes() -> dict[str, Any]:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    return {
        "version": ["1"],
        "created_at": "yesterday\n\x1b[2J",
        "schema": {"001": 1},
        "named": {"cloud.secret_key_file": 5},
        "members": ["state/gateway.db"],
        "format": deep,
    }


@pytest.mark.parametrize("member", manifest_changes())
async def test_a_malformed_manifest_is_one_sentence(machine: Machine, file: Path, member: str) -> None:
    manifest = {**read_manifest(file), member: manifest_changes()[member]}
    other = pack(file, json.dumps(manifest).encode())
    with pytest.raises(StateError, match=r"damaged|another format") as refused:
        await machine.restore(other, replace=True)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300 + len(str(other))


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100000, b'{"format": 1}', b"1e999"])
async def test_a_manifest_that_is_none(machine: Machine, file: Path, text: bytes) -> None:
    with pytest.raises(StateError, match="damaged"):
        await machine.restore(pack(file, text), replace=True)


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "cloud.environment", "cloud.ca_file"])
async def test_a_manifest_names_a_file_that_is_not_in_the_archive(machine: Machine, file: Path, name: str) -> None:
    manifest = {**read_manifest(file), "named": {name: str(machine.settings_file.with_name("secret"))}}
    with pytest.raises(StateError, match=r"does not belong|is missing"):
        await machine.restore(pack(file, json.dumps(manifest).encode()), replace=True)


async def test_a_header_that_would_fill_the_memory(machine: Machine, file: Path) -> None:
    entry = tarfile.TarInfo("sunmi-gateway/manifest.json")
    entry.type, entry.size = tarfile.XHDTYPE, 1024**4
    other = file.with_name("header.tar.gz")
    other.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(4 * 1024 * 1024)))
    with pytest.raises(StateError, match="header"):
        await machine.restore(other, replace=True)


def read_manifest(file: Path) -> dict[str, Any]:
    with tarfile.open(file) as archive:
        content = archive.extractfile("sunmi-gateway/manifest.json")
        assert content is not None
        document: dict[str, Any] = json.load(content)
        return document


def pack(file: Path, manifest: bytes) -> Path:
    """Return another archive with this text in the place of the manifest."""
    other = file.with_name("packed.tar.gz")
    with tarfile.open(file) as source, tarfile.open(other, "w:gz") as archive:
        for member in source:
            content = source.extractfile(member)
            assert content is not None
            text = manifest if member.name.endswith("manifest.json") else content.read()
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return other


def damages(file: Path) -> Iterator[Path]:
    """Yield a file that is damaged in one way after the other.

    Some flipped bits do not change what is unpacked, such as the distance of a copy among zeros: they are left out.
    """
    whole = file.read_bytes()
    content = unpacked(file)
    cuts = [whole[: len(whole) * part // 10] for part in range(10)]
    flips = []
    for part in range(1, 20):
        at = len(whole) * part // 20
        flip = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        if not unpacks_to(flip, content):
            flips.append(flip)
    assert len(flips) > 10
    for data in (*cuts, *flips, b"no archive at all"):
        damaged = file.with_name("damaged.tar.gz")
        damaged.write_bytes(data)
        yield damaged


async def test_every_damage_is_noticed(machine: Machine, file: Path) -> None:
    before = machine.everything()
    for damaged in damages(file):
        with pytest.raises(StateError, match=r"damaged|no backup"):
            await machine.restore(damaged, replace=True)
    assert machine.everything() == before


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def unpacks_to(data: bytes, content: bytes) -> bool:
    try:
        return gzip.decompress(data) == content
    except (OSError, EOFError, zlib.error):
        return False


async def test_damage_between_the_files_is_noticed(machine: Machine, file: Path) -> None:
    content = unpacked(file)
    whole = gzip.compress(content)
    padded = gzip.compress(content[:-1] + b"\x01")
    write(file, padded[:-8] + whole[-8:])
    with pytest.raises(StateError, match="damaged"):
        await machine.restore(file, replace=True)


async def test_nothing_follows_the_last_file(machine: Machine, file: Path) -> None:
    write(file, gzip.compress(unpacked(file) + bytes(1024**2)))
    with pytest.raises(StateError, match="behind the last file"):
        await machine.restore(file, replace=True)


def unpacked(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def repacked(file: Path, old: bytes, new: bytes) -> None:
    content = unpacked(file)
    assert content.count(old) == 1
    file.write_bytes(gzip.compress(content.replace(old, new)))


async def test_content_with_a_wrong_checksum(machine: Machine, file: Path) -> None:
    repacked(file, b"the-account-secret", b"another-one-secret")
    with pytest.raises(StateError, match="checksum"):
        await machine.restore(file, replace=True)


async def test_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.furnish()
    (machine.state / "gateway.db").unlink()
    with pytest.raises(StateError, match="nothing to back up"):
        machine.backup(tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()
