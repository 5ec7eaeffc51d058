"""Debian systems to install the package into: a tree of files, and a container in which its systemd is booted.

Both have a network of their own, with no way out, and no power over the clock or the devices of this machine.
"""

import contextlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

CONTENTS: Final = (
    *("systemd", "systemd-sysv", "python3", "iproute2", "procps", "curl"),
    *("avahi-daemon", "avahi-utils", "faketime"),
)
RELEASES: Final = ("bookworm", "trixie")
BOOT_S: Final = 300
_HIERARCHIES: Final = tuple(Path("/sys/fs/cgroup", name) for name in ("", "unified", "systemd", "memory"))
"""Where control groups are: version 2 alone, or version 2 beside version 1, which then bounds memory."""
T = TypeVar("T")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_system(release: str, tree: Path, *more: str, give: Path | None = None, commands: Sequence[str] = ()) -> None:
    """Make a small system of a Debian release, with some packages more, from the mirror that this machine uses.

    Put a file into its /root, and run commands there, which reach the mirror too.
    """
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian"]
    mirrors = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    contents = f"--include={','.join((*CONTENTS, *more))}"
    hooks = [f"--customize-hook=copy-in {give} /root"] if give else []
    hooks += [f"--customize-hook=chroot \"$1\" sh -ec 'cd /root; {command}'" for command in commands]
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", contents, *hooks, release, str(tree), mirrors[0]],
        check=True,
        timeout=3600,
    )


class Machine:
    """A Debian system in a folder: run commands in it, boot it, cut its power."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self._container: subprocess.Popen[bytes] | None = None
        self.leader = 0
        self._group = ""
        self.console = tree.with_name(f"{tree.name}.console")

    def give(self, *files: Path) -> None:
        """Put copies of files into its /root."""
        for file in files:
            shutil.copy(file, self.tree / "root")

    def write(self, path: str, text: str) -> None:
        """Write a file as root."""
        file = self.tree / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        return (self.tree / path.removeprefix("/")).read_text()

    def run(self, command: str, *, check: bool = True, timeout: float = 120) -> str:
        """Run a shell command in it, booted or not; return all that it prints."""
        if self._container is None:
            around = self._nspawn(timeout, "--pipe", "/bin/sh", "-c", command)
        else:
            around = ["timeout", "-s", "KILL", str(timeout), "nsenter", "--target", str(self.leader), "--all"]
            around += ["/usr/bin/env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8", "/bin/sh", "-c", command]
        done = subprocess.run(
            around,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if self._container is None:
            self._clear()
        output = "".join(line for line in done.stdout.splitlines(True) if "/run/systemd/nspawn/propagate" not in line)
        if check and done.returncode:
            raise AssertionError(f"{command!r} ended with {done.returncode}:\n{output[-4000:]}")
        return output

    def boot(self, timeout: float = 600) -> None:
        """Boot it and wait until systemd says that the start is over; everything ends after `timeout` seconds."""
        with self.console.open("ab") as console:
            self._container = subprocess.Popen(
                self._nspawn(timeout, "--boot", "--console=pipe"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        outer = self._container.pid
        self.leader = wait(lambda: _init_below(outer), BOOT_S, "its init")
        wait(lambda: self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"), BOOT_S)

    def limit_memory(self, unit: str, size: int) -> Callable[[], int]:
        """See that a unit has at most `size` bytes of memory; return what counts the processes that ended by that.

        Where the kernel of this machine bounds memory by control groups of version 1, systemd in the container cannot,
        and the bound is set from outside. The unit's processes so far do not count then, but those that they start.
        """
        [inside] = (_find_unified() / self._group).rglob(unit)
        if (inside / "memory.max").exists():
            assert int((inside / "memory.max").read_text()) == size
            counts = inside / "memory.events"
        else:
            outside = _HIERARCHIES[3] / self._group
            outside.mkdir()
            (outside / "memory.limit_in_bytes").write_text(str(size))
            for process in (inside / "cgroup.procs").read_text().split():
                (outside / "cgroup.procs").write_text(process)
            counts = outside / "memory.oom_control"

        def count_kills() -> int:
            lines = dict(line.split() for line in counts.read_text().splitlines())
            return int(lines["oom_kill"])

        return count_kills

    def cut(self) -> None:
        """Cut the power: everything in it ends at once, as by kill -9."""
        if self._container is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.leader or self._container.pid, 9)
        try:
            self._container.wait(20)
        finally:
            self._container.kill()
            self._container = None
            self.leader = 0
            self._clear()

    def _nspawn(self, timeout: float, *words: str) -> list[str]:
        """Return a command that runs systemd-nspawn on this tree and takes everything with it when it ends."""
        # A control group of its own, since the container's systemd takes the one that it is started in, and a process
        # number space around it: a container outlives an nspawn that is killed.
        self._group = f"sunmi-{uuid.uuid4().hex[:8]}"
        group = _find_unified() / self._group
        group.mkdir()
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        around = ["timeout", "-s", "KILL", str(timeout), "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        nspawn = ["systemd-nspawn", "--quiet", "--private-network", "--register=no", "--keep-unit"]
        settings = ["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"]
        return ["sh", "-c", enter, "sh", *around, *settings, *nspawn, f"--directory={self.tree}", *words]

    def _clear(self) -> None:
        """Remove the control groups of a container that has ended."""

        def gone() -> bool:
            groups = [hierarchy / self._group for hierarchy in _HIERARCHIES]
            for folder, _, _ in (found for group in groups for found in os.walk(group, topdown=False)):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            return not any(group.exists() for group in groups)

        wait(gone, 20, "end of its control groups")


@contextlib.contextmanager
def lay_over(system: Path, folder: Path) -> Iterator[Machine]:
    """Give a machine with a system's files, whose changes go into `folder`; cut its power and forget them in the end.

    A copy of the files would take a minute for each test.
    """
    changes, work, tree = (folder / name for name in ("changes", "work", "machine"))
    for one in (changes, work, tree):
        one.mkdir(parents=True)
    changes.chmod(0o755)  # the root directory of the machine
    layers = f"lowerdir={system},upperdir={changes},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(tree)], check=True, timeout=60)
    machine = Machine(tree)
    try:
        yield machine
    finally:
        machine.cut()
        subprocess.run(["umount", str(tree)], check=True, timeout=60)
        shutil.rmtree(folder)


def _find_unified() -> Path:
    """Return the hierarchy of version 2."""
    return next(one for one in _HIERARCHIES if (one / "cgroup.subtree_control").exists())


def _init_below(process: int) -> int:
    """Return the container's first process, found among the descendants of a process, once it is systemd; else 0."""
    while process:
        try:
            if Path(f"/proc/{process}/comm").read_text().strip() == "systemd":
                return process
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        except OSError:
            return 0
        process = int(children[0]) if children else 0
    return 0


def wait(condition: Callable[[], T], within_s: float, what: str = "") -> T:
    """Wait until a condition is true, and return what it returned."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what or condition} within {within_s} s"
        time.sleep(0.1)
    return found
