"""The gateway's packages: fetched from the chain's repository, which may send anything, installed, and brought back.

It runs as root and uses the standard library alone.
"""

import contextlib
import shutil
import time
from pathlib import Path
from typing import Final

from gateway.updates.machine import Machine, UpdateFailed, log, sync

PACKAGE: Final = "sunmi-gateway"
_LOCK_POLL_S: Final = 5.0
_MAX_INDEX_BYTES: Final = 16_000_000
_MAX_PACKAGE_BYTES: Final = 128_000_000
"""The largest files that a repository may send. apt alone bounds nothing of which it was not told how long it is."""


class ChainPackages:
    """The gateway's packages on a machine."""

    def __init__(self, machine: Machine) -> None:
        """Take the machine."""
        self._machine = machine
        self._places = machine.places
        self._limits = machine.limits
        self._fetching = machine.places.own / "fetching"

    def installed(self) -> str:
        """Return the version whose files dpkg has installed and configured; empty if there is none such."""
        with contextlib.suppress(UpdateFailed):
            words = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Version}", PACKAGE]
            state, _, version = self._machine.run(words).partition(" ")
            return version.strip() if state.strip() == "ii" else ""
        return ""

    def configure(self) -> None:
        """End what dpkg has begun and a power cut has ended. A failure shows in what is installed then."""
        deadline = time.monotonic() + self._limits.command_s
        while True:
            try:
                words = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
                self._machine.run(words, limit_s=self._limits.install_s)
            except UpdateFailed as failed:
                if "lock" not in str(failed) or time.monotonic() > deadline:
                    log(f"dpkg --configure: {failed}")
                    return
                time.sleep(_LOCK_POLL_S)  # somebody else is installing something
            else:
                return

    def _apt_options(self) -> list[str]:
        """Return what confines apt to the chain's repository, without touching what it knows of others."""
        own, source = self._places.own, self._places.source
        options = {
            "Dir::Etc::sourcelist": source,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": own / "lists",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Update::Error-Mode": "any",  # a failed signature is only a warning by default
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Retries": "1",
            "Acquire::Languages": "none",
        }
        for kind in ("http", "https"):
            options[f"Acquire::{kind}::Timeout"] = str(self._limits.silence_s)
            options[f"Acquire::{kind}::AllowRedirect"] = "false"  # root has named one address, and no other one
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def update_index(self) -> None:
        """Fetch the index of the chain's repository, and verify its signature. Raises `UpdateFailed`."""
        for folder in ("lists/partial", "packages"):
            (self._places.own / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        self._machine.run(["apt-get", "-qq", *self._apt_options(), "update"], max_file_bytes=_MAX_INDEX_BYTES)

    def download(self, version: str) -> Path:
        """Return a version's package, as the signed index describes it. Raises `UpdateFailed`."""
        if (kept := self.find_package(version)) is not None:
            return kept
        listed = self._machine.run(["apt-cache", *self._apt_options(), "madison", PACKAGE])
        if version not in [line.split("|")[1].strip() for line in listed.splitlines() if line.count("|") == 2]:
            raise UpdateFailed("refused", f"version {version} is not in the chain's repository: publish it there")
        words = ["apt-get", "-qq", *self._apt_options(), "download", f"{PACKAGE}={version}"]
        # In a folder of its own: what apt has not compared with the index may be anybody's.
        shutil.rmtree(self._fetching, ignore_errors=True)
        self._fetching.mkdir()
        limit_s = self._limits.fetch_s
        self._machine.run(words, limit_s=limit_s, folder=self._fetching, max_file_bytes=_MAX_PACKAGE_BYTES)
        for file in self._fetching.glob("*.deb"):
            sync(file)
            file.replace(self._places.own / "packages" / file.name)
        sync(self._places.own / "packages")
        if (fetched := self.find_package(version)) is None:
            raise UpdateFailed("refused", f"the package {version} in the repository is another one than it says")
        return fetched

    def find_package(self, version: str) -> Path | None:
        """Return the package of a version that is kept here."""
        for file in (self._places.own / "packages").glob("*.deb"):
            try:
                shown = self._machine.run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(file)])
            except UpdateFailed:
                file.unlink()
                continue
            if shown.split() == [PACKAGE, version]:
                return file
        return None

    def remove_unfinished(self, *needed: str) -> None:
        """Remove what fetching has left, but for the packages of these versions."""
        kept = {self.find_package(version) for version in needed}
        for file in set((self._places.own / "packages").glob("*")) - kept:
            file.unlink()
        for folder in (self._fetching, self._places.own / "lists/partial"):
            shutil.rmtree(folder, ignore_errors=True)

    def prepare_install(self, package: Path) -> None:
        """Fetch what a package needs of Debian, while the service still runs. Raises `UpdateFailed`."""
        try:
            self._run_install(package, "--simulate")
        except UpdateFailed as failed:
            raise UpdateFailed("refused", f"it cannot be installed here: {failed}") from failed
        self._run_install(package, "--download-only")

    def install(self, package: Path) -> None:
        """Install a package, and from Debian what it needs more. Raises `UpdateFailed`."""
        self._run_install(package)

    def _run_install(self, package: Path, *more: str) -> None:
        options = ("Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "DPkg::Lock::Timeout=600")
        chosen = [word for option in options for word in ("-o", option)]
        words = [
            "install",
            "--yes",
            "--no-remove",
            "--allow-downgrades",
            "--no-install-recommends",
            *more,
            str(package),
        ]
        self._machine.run(["apt-get", "-qq", *chosen, *words], limit_s=self._limits.install_s)

    def install_again(self, version: str) -> bool:
        """Bring an earlier version back, whatever state dpkg is in; return whether it is installed then."""
        self.configure()
        package = self.find_package(version)
        if package is not None:
            try:
                words = ["dpkg", "--force-confdef", "--force-confold", "--force-downgrade", "--install", str(package)]
                self._machine.run(words, limit_s=self._limits.install_s)
            except UpdateFailed as failed:
                log(str(failed))
                self.configure()
        return self.installed() == version
