"""The repository of packages from the boot partition: taken once as the head office's script has written it, or not."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.errors import SettingsError, StateError
from gateway.updates.boot_source import LOG_FILE, take_boot_source
from tests.gnupg_home import make_gnupg_home

BODY = base64.b64encode(b"\x98\x33" + bytes(range(100))).decode()
BEGIN, END = (f" -----{word} PGP PUBLIC KEY BLOCK-----\n" for word in ("BEGIN", "END"))
KEY = f"{BEGIN} .\n {BODY[:64]}\n {BODY[64:]}\n =Ab9+\n{END}"
ADDRESS = "http://office.example/packages"
TEXT = f"Types: deb\nURIs: {ADDRESS}\nSuites: stable\nComponents: main\nCheck-Date: no\nSigned-By:\n{KEY}"
EARLIER = "Types: deb\nURIs: http://earlier.example/\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "sunmi-gateway.sources"
    file.write_text(EARLIER)
    return file


@pytest.mark.parametrize("name", ["sunmi-gateway.sources", "sunmi-gateway.sources.txt"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_it_is_taken_once_for_all_to_read(boot: Path, source: Path, name: str, ends: str) -> None:
    for is_new in (True, False):
        (boot / name).write_bytes(TEXT.replace("\n", ends).encode())
        done = take_boot_source([boot.with_name("missing"), boot], source)
        assert done is not None
        assert (done.is_new, done.address, done.left_because) == (is_new, ADDRESS, "")
        assert source.read_text() == TEXT
        assert source.stat().st_mode & 0o777 == 0o644
        assert [one.name for one in boot.iterdir()] == [LOG_FILE]
        assert ADDRESS in (boot / LOG_FILE).read_text(encoding="utf-8-sig")
    assert take_boot_source([boot], source) is None


@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gnupg")
def test_a_key_of_gnupg_is_one(boot: Path, source: Path) -> None:
    with make_gnupg_home() as gpg:
        exported = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    lines = "".join(f" {line or '.'}\n" for line in exported.splitlines())  # as packaging/repository.sh does it
    (boot / "sunmi-gateway.sources").write_text(TEXT.replace(KEY, lines))
    assert take_boot_source([boot], source) is not None
    assert source.read_text() == TEXT.replace(KEY, lines)


SECRET = base64.b64encode(b"\x94" + bytes(60)).decode()
HOSTILE = {
    "empty": "",
    "no key": TEXT.partition("Signed-By")[0],
    "a file as key": TEXT.replace(f"\n{KEY}", " /tmp/key.gpg\n"),
    "a private key": TEXT.replace(KEY, KEY.replace("PUBLIC", "PRIVATE")),
    "a private key in disguise": TEXT.replace(BODY[:64], SECRET[:60]).replace(BODY[64:], ""),
    "no base64": TEXT.replace(BODY[:64], BODY[:63]),
    "two keys": TEXT + KEY,
    "two paragraphs": f"{TEXT}\n{TEXT}",
    "a field twice": TEXT.replace("Suites: stable", "Suites: stable\nSuites: stable"),
    "unsigned": TEXT.replace("Check-Date: no", "Trusted: yes"),
    "more than it needs": TEXT.replace("Types: deb", "Types: deb\nAllow-Insecure: yes"),
    "a comment": f"# {TEXT}",
    "sources": TEXT.replace("Types: deb", "Types: deb deb-src"),
    "two addresses": TEXT.replace(ADDRESS, f"{ADDRESS} http://other.example/"),
    "options as an address": TEXT.replace(ADDRESS, "copy:/etc"),
    "a program as an address": TEXT.replace(ADDRESS, "ssh://office.example/"),
    "no ASCII": TEXT.replace(ADDRESS, "http://bücher.example/"),
    "another suite": TEXT.replace("stable", "../stable"),
    "a line of its own": TEXT.replace("Components: main", "Components: main\n evil"),
    "too large": TEXT + "#" * 70_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_else_it_is_changes_nothing_and_says_why(boot: Path, source: Path, text: str) -> None:
    file = boot / "sunmi-gateway.sources"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^sunmi-gateway\.sources: "):
        take_boot_source([boot], source)
    assert (source.read_text(), file.read_text(encoding="utf-8")) == (EARLIER, text)
    assert "was not taken" in (boot / LOG_FILE).read_text(encoding="utf-8-sig")


def test_no_text_and_two_files_are_refused(boot: Path, source: Path) -> None:
    (boot / "sunmi-gateway.sources").write_bytes(b"\x80\x81")
    with pytest.raises(SettingsError, match="no text in UTF-8"):
        take_boot_source([boot], source)
    (boot / "sunmi-gateway.sources.txt").write_text(TEXT)
    with pytest.raises(SettingsError, match="two files"):
        take_boot_source([boot], source)
    assert source.read_text() == EARLIER


def test_where_it_cannot_be_written_it_stays(boot: Path, source: Path) -> None:
    (boot / "sunmi-gateway.sources").write_text(TEXT)
    with pytest.raises(StateError, match="cannot be written"):
        take_boot_source([boot], source.parent / "missing" / source.name)
    assert (boot / "sunmi-gateway.sources").exists()
