"""What holds for every test: a database, nothing skipped in CI, and proofs with reduced counts say what they did."""

import gc
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings

from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from tests import api_document
from tests.chromium import browser, chromium  # noqa: F401  fixtures

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LONG_FILES: Final = (
    "tests/shop/test_hotspot_walk.py",
    "tests/console/test_camera_set_up.py",
    "tests/outbox/test_kill.py",
    "tests/contract/test_generated_clients.py",
    "tests/fleet/test_chain_kill.py",
    "tests/fleet/test_kill.py",
    "tests/office/test_two_offices.py",
    "tests/office/test_office_commands.py",
    "tests/netns/test_discovery.py",
    "tests/office/test_rollouts.py",
    "tests/office_site/test_browser.py",
    "tests/console/labels/",
    "tests/updates/",
    "tests/fleet/test_rollback.py",
    "tests/fleet/test_command_kill.py",
    "tests/netns/test_doctor.py",
    "tests/office/test_real_shop.py",
    "tests/fleet/test_commands.py",
    "tests/fleet/test_clone.py",
    "tests/fleet/test_desired",
    "tests/netns/test_announcement.py",
    "tests/outbox_model/",
    "tests/storage/test_recovery.py",
    "tests/events/test_kill.py",
    "tests/cli/test_provisioning.py",
    "tests/console/",
    "tests/packaging/",
    "tests/netns/",
    "tests/api/test_http_semantics.py",
    "tests/shop/",
    "tests/api/test_docs",
    "tests/cli/test_doctor.py",
    "tests/firmware_tools/test_hand_made_cards.py",
    "tests/cli/test_secrets.py",
    "tests/api/test_system.py",
    "tests/cli/test_demo.py",
    "tests/firmware_tools/test_verification.py",
    "tests/outbox/test_faults.py",
    "tests/cli/",
    "tests/api/test_event_stream.py",
    "tests/outbox/test_clock.py",
    "tests/api/test_bodies.py",
    "tests/outbox/test_events.py",
    "tests/api/test_proxy.py",
    "tests/api/test_supervised.py",
    "tests/protocol/test_new_endpoint.py",
    "tests/outbox/test_unclear.py",
    "tests/api/test_till.py",
    "tests/cameras/provisioning/",
    "tests/cameras/video/",
    "tests/test_translations.py",
    "tests/api/test_card_wear.py",
    "tests/firmware_tools/test_interrupted_writing.py",
    "tests/outbox/test_products.py",
    "tests/outbox/test_disk_full.py",
    "tests/api/test_cameras.py",
    "tests/labels/test_shelf.py",
)
"""Beginnings of the files with few tests that take long, the longest first, with those that mostly wait among them."""

# No test fails because the machine is slow.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Under nohup, and in the background of a shell, these are ignored, and so they would be in every process of a test.
for _name in ("SIGHUP", "SIGINT"):
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), signal.SIG_DFL)

# Tests expect English texts, whatever the language of who runs them is.
for _name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"

# Everyday tests trust no public authority; full proofs download. To read 140 certificates takes 40 ms, for each gateway
# and for each process.
if os.environ.get("FULL_PROOFS") != "1":
    os.environ["SSL_CERT_FILE"] = os.devnull


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, if workers share them: none is left alone with one in the end."""
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(item.path for item in items)

    def order(item: pytest.Item) -> tuple[int, int, str]:
        file = item.nodeid.partition("::")[0]
        place = next((place for place, begin in enumerate(LONG_FILES) if file.startswith(begin)), len(LONG_FILES))
        return place, -tests[item.path], file

    items.sort(key=order)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector leave alone what is made now: the modules and 9000 tests, which stay to the end.

    To search them for cycles takes a quarter of the time of collecting.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in CI in which a test was skipped: there, everything that a test needs is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if os.environ.get("CI") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Show what the slow proofs print: how many cuts, kills or corruptions they made."""
    lines = [
        line
        for report in terminalreporter.stats.get("passed", [])
        if report.when == "call" and "slow" in report.keywords
        for line in report.capstdout.splitlines()
    ]
    if lines:
        terminalreporter.section("proofs" if os.environ.get("FULL_PROOFS") == "1" else "proofs, with reduced counts")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def responses_are_as_documented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check each response of a REST API against the OpenAPI document, whoever gets it."""
    faults = api_document.watch(monkeypatch)
    yield
    assert faults == []


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give a new database, closed also after a failure: its thread would outlive the tests."""
    opened = await Database.open(tmp_path / "gateway.db")
    yield opened
    await opened.close()


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    """Give a supervisor that restarts at once."""
    supervisor = Supervisor(initial_delay_s=0.001, max_delay_s=0.01)
    yield supervisor
    await supervisor.close()


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    """Return an empty folder in place of a boot partition."""
    folder = tmp_path / "boot"
    folder.mkdir()
    return folder


@pytest.fixture
def file_bytes(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Give what is in the database's files now, by name."""
    return lambda: {file.name: file.read_bytes() for file in tmp_path.iterdir()}
