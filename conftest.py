"""Give every test session its own PostgreSQL and Redis; let tests commit for real, as the portal's own role.

`PORTAL_TEST_KEEP=folder` keeps the servers' data between sessions. `PORTAL_TEST_DATABASE=0` starts none, for tests of
plain Python.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, sync_playwright

from tests import dealing
from trading_portal.running import bootstrap, chromium, packages, pushpin, quality, testing

# Where several processes share the tests, the one that deals them out runs none.
DEALS_OUT = quality.PROCESSES in os.environ and "PYTEST_XDIST_WORKER" not in os.environ
HAS_SERVERS = os.environ.get("PORTAL_TEST_DATABASE", "1") != "0" and not DEALS_OUT
# What some tests need beside servers, and whether a run in CI fails without it: always, or where it could be installed.
NEEDED = {chromium.MISSING: lambda: True, pushpin.MISSING: packages.can_install}
LEFT_OUT: dict[str, list[str]] = {missing: [] for missing in NEEDED}

bootstrap.keep_bytecode()
# Before any test module is imported: settings read the environment once.
if HAS_SERVERS:
    SERVERS = testing.TestServers()
    SERVERS.start()
    atexit.register(SERVERS.stop)
    os.environ.pop("PORTAL_DB_ROLE", None)
    os.environ.update(SERVERS.environment)
else:
    os.environ.update(quality.stand_in_environment())
django.setup()
# Tests make people by the hundred: a hash says how often it was turned, so that any process can still check it.
PBKDF2PasswordHasher.iterations = 1_000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs a Chromium")
    if DEALS_OUT:
        # A process that inherits it would read the settings before its own servers are named.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return dealing.Dealing(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if strangers := dealing.strangers_to_the_portal(items):
        raise pytest.UsageError(f"tests/dealing.py must name what takes the whole portal: {strangers}")
    dealing.sort_longest_first(items)


@pytest.fixture(scope="session", autouse=HAS_SERVERS)
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """Migrate as the owner of the database; then let every test read and write it, and commit."""
    SERVERS.migrate()
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def _django_db_helper(django_db_setup: None) -> None:
    """Wrap no test in a transaction: what a test writes, it commits."""


@pytest.fixture(scope="session")
def portal() -> Iterator[dict[str, Any]]:
    """Start a whole portal, with its own servers, data folder and port; give what its portal.json holds."""
    with testing.running_portal() as found:
        yield found


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Name the Chromium to drive; leave the test out where there is none, and fail it in CI."""
    found = chromium.find()
    if found is None:
        pytest.skip(chromium.MISSING)
    return found


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """Start a Chromium for one module: its event loop must not outlive it into tests with loops of their own."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, args=arguments)
        yield running
        running.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for missing, names in LEFT_OUT.items():
        if report.skipped and missing in str(report.longrepr):
            names.append(report.nodeid)


def fails_for(missing: str) -> bool:
    return bool(os.environ.get("CI") and LEFT_OUT[missing] and NEEDED[missing]())


def pytest_sessionfinish(session: pytest.Session) -> None:
    if any(map(fails_for, NEEDED)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for missing, names in LEFT_OUT.items():
        if names:
            verdict = "which fails a run in CI" if fails_for(missing) else "the rest ran"
            terminalreporter.section(f"{missing}: {len(names)} tests were left out, {verdict}")
            for name in names:
                terminalreporter.line(name)
    if failed := os.environ.get(quality.CHECKS_FAILED):
        terminalreporter.section(f"checks that failed, see above: {failed}", red=True)


def pytest_unconfigure() -> None:
    if HAS_SERVERS:
        atexit.unregister(SERVERS.stop)
        SERVERS.stop()
