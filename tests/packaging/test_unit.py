"""The systemd unit as it is shipped: how confined it is, and that systemd understands it."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.updates.installer import RECOVERY, RECOVERY_UNIT

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")

UNIT = Path(__file__).parents[2] / "packaging/debian/sunmi-gateway.service"
KNOWN_LATER = {"RestartSteps", "RestartMaxDelaySec"}
"""Keys of systemd 254, of which bookworm's 252 only says that it does not know them."""

SOMEBODY = 65534
"""A user other than root."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root folder with the unit and the command that it starts."""
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / UNIT.name).write_text(UNIT.read_text())
    command = tmp_path / "usr/bin/sunmi-gateway"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return tmp_path


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def test_it_is_confined() -> None:
    told = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    level = re.search(rf"exposure level for {UNIT.name}: (\d+\.\d)", told)
    assert level is not None, told
    assert float(level[1]) < 2.0, told


def test_systemd_understands_it(root: Path) -> None:
    told = analyze("verify", "--man=no", "--recursive-errors=no", f"--root={root}", UNIT.name)
    unknown = re.compile(r"Unknown key (?:name )?'(\w+)'")
    assert set(unknown.findall(told)) <= KNOWN_LATER
    assert [line for line in told.splitlines() if UNIT.name in line and not unknown.search(line)] == []


def test_systemd_would_say_what_it_does_not_understand(root: Path) -> None:
    unit = root / "usr/lib/systemd/system" / UNIT.name
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=forever\nRestartSecs=3"))
    told = analyze("verify", "--man=no", "--recursive-errors=no", f"--root={root}", UNIT.name)
    assert "forever" in told
    assert "'RestartSecs'" in told


@pytest.mark.parametrize(
    "line",
    [
        *("Type=notify", "Restart=always", "StartLimitIntervalSec=0", "User=sunmi-gateway"),
        *("OOMPolicy=continue", "MemoryMax=384M", "SystemCallFilter=setpriority"),
        *("ExecStart=/usr/bin/sunmi-gateway run", "WantedBy=multi-user.target"),
    ],
)
def test_what_a_shop_relies_on(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


def test_it_waits_for_no_network() -> None:
    settings = [line for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in settings if "network-online" in line]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("of_a_killed_gateway", [False, True])
def test_the_screens_files_are_the_services_at_every_start(tmp_path: Path, of_a_killed_gateway: bool) -> None:
    """Where one step fails, the others are taken all the same."""
    (line,) = [line for line in UNIT.read_text().splitlines() if "chown sunmi-gateway" in line]
    script = line.partition("'")[2].rstrip("'").replace("$$", "$")
    script = script.replace("/run", str(tmp_path)).replace("chown sunmi-gateway", f"chown {SOMEBODY}")
    file, reload = tmp_path / "issue.d/sunmi-gateway.issue", tmp_path / "agetty.reload"
    if of_a_killed_gateway:
        file.parent.mkdir()
        file.write_text("a code that is good no longer")
        script = f"mount --bind {file} {file}; {script}"  # as in the service's own view of the files
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (file.stat().st_uid, reload.stat().st_uid) == (SOMEBODY, SOMEBODY)
    if of_a_killed_gateway:
        shutil.rmtree(file.parent)
        file.parent.touch()
        reload.unlink()
        subprocess.run(["sh", "-c", script.partition("; ")[2]], capture_output=True, timeout=30, check=False)
        assert reload.stat().st_uid == SOMEBODY


def test_the_units_of_updates_are_understood(root: Path) -> None:
    for name in ("sunmi-gateway-update.path", "sunmi-gateway-update.service"):
        unit = root / "usr/lib/systemd/system" / name
        unit.write_text((UNIT.parent / f"sunmi-gateway.{name}").read_text())
    told = analyze("verify", "--man=no", "--recursive-errors=no", f"--root={root}", "sunmi-gateway-update.path")
    assert [line for line in told.splitlines() if "sunmi-gateway-update" in line and "python3" not in line] == []


def test_the_unit_that_ends_an_update_is_understood(root: Path) -> None:
    (root / "usr/lib/systemd/system" / RECOVERY).write_text(RECOVERY_UNIT.format(folder="/var/lib/x"))
    told = analyze("verify", "--man=no", "--recursive-errors=no", f"--root={root}", RECOVERY)
    assert [line for line in told.splitlines() if RECOVERY in line and "python3" not in line] == []
