"""Lays out the gateway and its libraries as the Debian package has them: `libraries.py SOURCE ARCHITECTURE FOLDER`.

FOLDER gets `python3.11` and `python3.13` with what is compiled for them, and `shared` with what is the same for both,
the gateway among it. The libraries are wheels of the versions and hashes in locked-packages.txt; nothing is compiled.
Prints their licences in the form of a Debian copyright file. It runs in an environment that has uv.
"""

import email
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

PYTHONS: Final = ("3.11", "3.13")
"""The Pythons of bookworm and trixie."""

PLATFORMS: Final = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
LOCK: Final = Path(__file__).parent / "locked-packages.txt"


def lay_out(source: Path, platform: str, folder: Path) -> None:
    """Install everything for a platform into `folder`, which is new."""
    for version in PYTHONS:
        install(folder / f"python{version}", platform, version, "--require-hashes", "--requirements", str(LOCK))
    shared = folder / "shared"
    with tempfile.TemporaryDirectory() as work:
        uv("build", "--wheel", "--out-dir", work, str(source))
        for wheel in Path(work).glob("*.whl"):  # uv would note when and from where it installed a file of this machine
            zipfile.ZipFile(wheel).extractall(shared)
    first, *others = (folder / f"python{version}" for version in PYTHONS)
    for record in sorted(first.glob("*.dist-info/RECORD")):
        name = record.relative_to(first)
        if all((other / name).exists() and (other / name).read_bytes() == record.read_bytes() for other in others):
            share(record, shared)
            for other in others:
                share(other / name, None)
    for place in (first, *others, shared):
        shutil.rmtree(place / "bin", ignore_errors=True)  # commands of libraries, for the machine that built this
        shutil.rmtree(place / "tests", ignore_errors=True)  # what the tests of a library left in its wheel
        (place / ".lock").unlink(missing_ok=True)


def install(target: Path, platform: str, version: str, *what: str) -> None:
    """Install wheels for a platform and a Python that need not be those of this machine."""
    kind = ("--python-platform", platform, "--python-version", version)
    uv("pip", "install", *kind, "--target", str(target), "--no-deps", "--no-build", "--link-mode=copy", *what)


def uv(*words: str) -> None:
    """Run uv, which unlike pip reads a requirement's conditions as the target machine would."""
    base = (sys.executable, "-m", "uv", "--quiet", "--no-config", "--no-python-downloads")
    subprocess.run([*base, *words], check=True)  # noqa: S603  no shell, our own words


def share(record: Path, shared: Path | None) -> None:
    """Move the files of an installed library into `shared`, or remove them."""
    place = record.parent.parent
    for line in record.read_text(encoding="utf-8").splitlines():
        file = place / line.rsplit(",", 2)[0].strip('"')
        if not file.is_file() or place not in file.resolve().parents:
            continue
        if shared is None:
            file.unlink()
        else:
            (shared / file.relative_to(place)).parent.mkdir(parents=True, exist_ok=True)
            file.rename(shared / file.relative_to(place))
        for parent in file.parents:
            if parent == place or any(parent.iterdir()):
                break
            parent.rmdir()


def licences(folder: Path) -> str:
    """Return a paragraph of a Debian copyright file for every library."""
    paragraphs = {}
    for file in sorted(folder.glob("*/*.dist-info/METADATA")):
        about = email.message_from_string(file.read_text(encoding="utf-8"))
        if about["Name"] == "sunmi-gateway":
            continue
        licence = about["License-Expression"] or next(
            (entry for entry in about.get_all("Classifier", ()) if entry.startswith("License")), "see its folder"
        )
        author = about["Author"] or about["Author-email"] or about["Maintainer-email"] or "its authors"
        paragraphs[file.parent.name] = (
            f"\nFiles: usr/lib/sunmi-gateway/*/{file.parent.name}/*\n"
            f"Copyright: {' '.join(author.split())}\n"
            f"License: {licence.rpartition(':')[2].strip().replace(' ', '-')}\n"
            f" {about['Name']} {about['Version']}; the text is in the folder {file.parent.name}.\n"
        )
    return "".join(paragraphs.values())


if __name__ == "__main__":
    given, architecture, result = sys.argv[1:]
    lay_out(Path(given), PLATFORMS[architecture], Path(result))
    sys.stdout.write(licences(Path(result)))
