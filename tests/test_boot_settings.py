"""Settings from the boot partition: what any editor writes is taken once, wholly or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.boot_settings import LOG_FILE, MAX_BYTES, take_boot_settings
from gateway.errors import SettingsError, StateError
from gateway.fleet.join_code import JoinCode
from gateway.runtime.systemd import PAIRING_CODE_FILE
from gateway.settings import DOCUMENTED_FILE, load_settings
from gateway.storage.state_directory import JOIN_CODE_FILE

SERVICE_UNIT = Path(__file__).parents[1] / "packaging" / "debian" / "sunmi-gateway.service"

TEXT = '[cloud]\r\napp_id = "A1"\r\nsecret_key = "the-account-secret"\r\n[provisioning]\r\nssid = "门店"\r\n'
EARLIER = '[cloud]\napp_id = "EARLIER"\n'


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "gateway.toml"
    file.write_text(EARLIER)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["sunmi-gateway.toml", "sunmi-gateway.toml.txt"])
def test_what_any_editor_writes_is_taken(boot: Path, settings_file: Path, encoding: str, name: str) -> None:
    (boot / name).write_bytes(TEXT.encode(encoding))
    settings_file.chmod(0o640)
    done = take_boot_settings([boot.with_name("missing"), boot], settings_file)
    assert done is not None
    assert settings_file.read_text(encoding="utf-8").partition("\n")[2] == TEXT.replace("\r\n", "\n")
    assert settings_file.stat().st_mode & 0o777 == 0o640
    assert done.put_aside == settings_file.with_name("gateway.toml.replaced-1")
    assert done.put_aside.read_text() == EARLIER
    assert done.put_aside.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in boot.iterdir()] == [LOG_FILE]
    log = (boot / LOG_FILE).read_bytes().decode("utf-8-sig")
    assert "The file was taken" in log
    assert "the-account-secret" not in log


def test_there_may_be_no_earlier_settings_and_no_file(boot: Path, settings_file: Path) -> None:
    settings_file.unlink()
    assert take_boot_settings([boot], settings_file) is None
    assert not list(boot.iterdir())
    (boot / "sunmi-gateway.toml").write_bytes(TEXT.encode())
    done = take_boot_settings([boot], settings_file)
    assert done is not None
    assert done.put_aside is None
    assert "A1" in settings_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (TEXT, 80), ('[cloud]\napp_id = "A1"', 80), ("[server]\nhosts = []\n[cloud]\n", 80), ("# nothing", 80),
        ("[server]\nport = 8088 # ours\n", 8088), ("server.port = 8088", 8088),
    ],
)  # fmt: skip
def test_ports_and_state_directory_of_the_package_stay_where_the_file_names_none(
    boot: Path, settings_file: Path, text: str, port: int
) -> None:
    (boot / "sunmi-gateway.toml").write_bytes(text.encode())
    take_boot_settings([boot], settings_file, packaged=DOCUMENTED_FILE)
    server = load_settings(settings_file).server
    assert (server.host, server.port, server.https_port) == ("0.0.0.0", port, 443)
    assert load_settings(settings_file).storage.directory == "/var/lib/sunmi-gateway"
    taken = settings_file.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line not in taken.splitlines()] == []


def test_the_whole_file_of_the_package_is_taken_as_it_is(boot: Path, settings_file: Path) -> None:
    packaged = DOCUMENTED_FILE.read_text(encoding="utf-8")
    (boot / "sunmi-gateway.toml").write_text(packaged, encoding="utf-8")
    take_boot_settings([boot], settings_file, packaged=DOCUMENTED_FILE)
    assert settings_file.read_text(encoding="utf-8").partition("\n")[2] == packaged


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[cloud]\napp_id = 7\nshop = "x"\n[server]\nport = "no"\n', "cloud.app_id|cloud.shop|server.port"),
        (b"[cloud\n", "is not valid TOML"),
        (TEXT.encode("gbk"), "save it as UTF-8"),
        (b"#" * (MAX_BYTES + 1), f"larger than {MAX_BYTES} bytes"),
        (b"\xff\xfe\x00", "save it as UTF-8"),
    ],
)
def test_a_wrong_file_changes_nothing_and_says_why(
    boot: Path, settings_file: Path, content: bytes, reason: str
) -> None:
    file = boot / "sunmi-gateway.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError):
        take_boot_settings([boot], settings_file)
    assert settings_file.read_text() == EARLIER
    assert file.read_bytes() == content
    log = (boot / LOG_FILE).read_bytes().decode("utf-8-sig")
    for part in reason.split("|"):
        assert part in log
    assert "\r\n" in log


def test_two_files_are_not_chosen_from(boot: Path, settings_file: Path) -> None:
    for name in ("sunmi-gateway.toml", "sunmi-gateway.toml.txt"):
        (boot / name).write_bytes(TEXT.encode())
    with pytest.raises(SettingsError, match="two files"):
        take_boot_settings([boot], settings_file)
    assert settings_file.read_text() == EARLIER


def test_a_file_that_could_not_be_removed_is_not_taken_twice(boot: Path, settings_file: Path) -> None:
    file = boot / "sunmi-gateway.toml"
    file.write_bytes(TEXT.encode())
    take_boot_settings([boot], settings_file)
    changed = settings_file.read_text(encoding="utf-8").replace("A1", "A2")
    settings_file.write_text(changed, encoding="utf-8")
    file.write_bytes(TEXT.encode())
    done = take_boot_settings([boot], settings_file)
    assert done is not None
    assert done.is_repeat
    assert settings_file.read_text(encoding="utf-8") == changed
    assert not file.exists()


CODE = 'pairing_code = "4711-shop"\n'


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("settings", ["", TEXT], ids=["alone", "with-settings"])
def test_a_pairing_code_is_handed_over_and_is_no_setting(
    boot: Path, settings_file: Path, runtime: Path, settings: str
) -> None:
    (boot / "sunmi-gateway.toml").write_text(CODE + settings, encoding="utf-8")
    done = take_boot_settings([boot], settings_file, runtime)
    assert done is not None
    assert done.offers_code
    assert (runtime / PAIRING_CODE_FILE).read_text() == "4711SHOP"
    assert (runtime / PAIRING_CODE_FILE).stat().st_mode & 0o777 == 0o600
    taken = settings_file.read_text(encoding="utf-8")
    assert "pairing_code" not in taken
    assert ("A1" in taken) == bool(settings), "a file with the code alone leaves the settings"
    assert "4711" not in (boot / LOG_FILE).read_text(encoding="utf-8-sig").upper()
    assert not (boot / "sunmi-gateway.toml").exists()


@pytest.mark.parametrize(
    "code", ['"SHORT7"', '"12345678901234567"', '"11111111"', '"门店配对码一二三四"', "4711", "true", '""']
)
def test_a_pairing_code_that_is_easily_guessed_is_refused(
    boot: Path, settings_file: Path, runtime: Path, code: str
) -> None:
    (boot / "sunmi-gateway.toml").write_text(f"pairing_code = {code}\n{TEXT}", encoding="utf-8")
    with pytest.raises(SettingsError, match="pairing_code must have"):
        take_boot_settings([boot], settings_file, runtime)
    assert settings_file.read_text() == EARLIER
    assert not list(runtime.iterdir())


def test_a_pairing_code_is_not_offered_while_it_lies_on_the_partition(
    boot: Path, settings_file: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (boot / "sunmi-gateway.toml").write_text(CODE + TEXT, encoding="utf-8")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)  # as on a card whose switch stands on read-only since
    done = take_boot_settings([boot], settings_file, runtime)
    assert done is not None
    assert (done.offers_code, bool(done.left_because)) == (False, True)
    assert not list(runtime.iterdir())


def test_a_pairing_code_needs_the_service(boot: Path, settings_file: Path) -> None:
    (boot / "sunmi-gateway.toml").write_text(CODE, encoding="utf-8")
    with pytest.raises(SettingsError, match="only by the service"):
        take_boot_settings([boot], settings_file)
    assert (boot / "sunmi-gateway.toml").exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.boot_settings import take_boot_settings
root = Path(sys.argv[1])
for line in sys.stdin:
    steps = int(line)
    def audit(event, arguments):
        global steps
        if event in ("open", "os.rename", "os.remove", "os.chmod") and str(root) in str(arguments[0]):
            steps -= 1
            if steps < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        sys.addaudithook(audit)
        take_boot_settings([root / "boot"], root / "etc" / "gateway.toml")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes")
def test_a_kill_at_any_step_leaves_the_old_or_the_new_settings(boot: Path, settings_file: Path) -> None:
    file = boot / "sunmi-gateway.toml"
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(boot.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        kills = _kill_at_each_step(process, file, settings_file)
    assert kills >= 5


def _kill_at_each_step(process: subprocess.Popen[str], file: Path, settings_file: Path) -> int:
    """Return at how many steps the process was killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    kills, killed = 0, True
    while killed:
        for old in settings_file.parent.iterdir():
            old.unlink()
        settings_file.write_text(EARLIER)
        file.write_bytes(TEXT.encode())
        process.stdin.write(f"{kills}\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        killed = code == -signal.SIGKILL
        assert killed or code == 0
        kills += killed
        now = settings_file.read_text(encoding="utf-8")
        assert now == EARLIER or now.endswith(TEXT.replace("\r\n", "\n"))
        take_boot_settings([file.parent], settings_file)
        assert not file.exists()
        assert settings_file.read_text(encoding="utf-8").endswith(TEXT.replace("\r\n", "\n"))
        assert sorted(one.name for one in settings_file.parent.iterdir()) == ["gateway.toml", "gateway.toml.replaced-1"]
    return kills


def test_the_unit_takes_the_file_as_root_before_the_start(boot: Path, settings_file: Path) -> None:
    lines = SERVICE_UNIT.read_text().splitlines()
    (line,) = [one for one in lines if "take-settings" in one]
    assert line.startswith("ExecStartPre=-+/bin/sh -c '")
    assert lines.index(line) < lines.index("ExecStart=/usr/bin/sunmi-gateway run")
    script = line.partition("'")[2].rstrip("'").replace("$$", "$")
    script = script.replace("/usr/bin/sunmi-gateway", f"{sys.executable} -m gateway --config {settings_file}")
    script = script.replace("/boot", str(boot))
    (boot / "sunmi-gateway.toml.txt").write_bytes(TEXT.encode())
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "was taken as" in ran.stderr + ran.stdout
    assert not (boot / "sunmi-gateway.toml.txt").exists()


@pytest.mark.parametrize("key", ["join_code", "pairing_code"])
def test_root_follows_no_link_of_the_service(boot: Path, settings_file: Path, tmp_path: Path, key: str) -> None:
    """State and runtime directory are the service's: what it puts there must not lead root elsewhere."""
    state, runtime, elsewhere = tmp_path / "state", tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.write_text("root's")
    for folder, name in ((state, JOIN_CODE_FILE), (runtime, PAIRING_CODE_FILE)):
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(elsewhere)
    before = elsewhere.stat()
    code = str(JoinCode("office.example", 7443, "shop-1", b"f" * 16, b"s" * 16)) if key == "join_code" else "7K3M9QX2"
    (boot / "sunmi-gateway.toml").write_text(f'{key} = "{code}"\n[storage]\ndirectory = "{state}"\n')
    assert take_boot_settings([boot], settings_file, runtime) is not None
    assert elsewhere.read_text() == "root's"
    after = elsewhere.stat()
    assert (after.st_ino, after.st_uid, after.st_mode) == (before.st_ino, before.st_uid, before.st_mode)
    written = state / JOIN_CODE_FILE if key == "join_code" else runtime / PAIRING_CODE_FILE
    assert not written.is_symlink()
    assert written.read_text().strip() == code


@pytest.mark.skipif(sys.platform == "win32", reason="a shell limits how large files may become")
def test_a_join_code_is_not_taken_without_the_settings_beside_it(
    boot: Path, settings_file: Path, tmp_path: Path
) -> None:
    state, file = tmp_path / "state", boot / "sunmi-gateway.toml"
    code = str(JoinCode("office.example", 7443, "shop-1", b"f" * 16, b"s" * 16))
    text = f'join_code = "{code}"\n[storage]\ndirectory = "{state}"\n{"# a long file" * 1000}\n'
    file.write_text(text)
    # As on a system disk that is full, while the state directory on another one has room. -B: no cut module is kept.
    script = f"ulimit -f 8; exec {sys.executable} -Bm gateway --config {settings_file} take-settings {boot}"
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, "cannot be written" in ran.stderr) == (1, True)
    assert (list(state.iterdir()), settings_file.read_text(), file.read_text()) == ([], EARLIER, text)
    done = take_boot_settings([boot], settings_file)
    assert done is not None
    assert (done.is_repeat, done.joins_as, (state / JOIN_CODE_FILE).read_text()) == (False, "shop-1", code)
    assert settings_file.read_text().endswith(text.partition("\n")[2])


def test_settings_are_not_taken_without_the_join_code_beside_them(
    boot: Path, settings_file: Path, tmp_path: Path
) -> None:
    state, file = tmp_path / "state", boot / "sunmi-gateway.toml"
    state.write_text("no folder")
    code = str(JoinCode("office.example", 7443, "shop-1", b"f" * 16, b"s" * 16))
    file.write_text(f'join_code = "{code}"\n[storage]\ndirectory = "{state}"\n')
    with pytest.raises(StateError):
        take_boot_settings([boot], settings_file)
    assert settings_file.read_text() == EARLIER
    state.unlink()
    done = take_boot_settings([boot], settings_file)
    assert done is not None
    assert (done.is_repeat, (state / JOIN_CODE_FILE).read_text()) == (False, code)
