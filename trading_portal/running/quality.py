"""Run the checks, the tests and the benchmarks."""

from __future__ import annotations

import difflib
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trading_portal.running import chromium, commands
from trading_portal.running.console import say, step
from trading_portal.running.layout import MANAGE, ROOT, VENV
from trading_portal.running.problems import Problem

BIN = VENV / "bin"
OPENAPI = ROOT / "docs" / "openapi.yaml"
CHECKS_FAILED = "PORTAL_CHECKS_FAILED"
PROCESSES = "PORTAL_TEST_PROCESSES"


def check() -> int:
    """Run every check, also after one has failed; return the exit code."""
    return 1 if failed_checks() else 0


def test(arguments: Sequence[str]) -> int:
    """Run the checks, then pytest, which tells about failed checks in its last lines; return the exit code."""
    with step("Chromium for the browser tests") as this:
        found = chromium.find()
        this.note = str(found or "none to be had")
    failed = failed_checks()
    environment = {**os.environ, CHECKS_FAILED: ", ".join(failed), chromium.VARIABLE: str(found or "")}
    if not arguments:
        # Half of the suite waits: for a lease, a process, a page. The longest files stand first.
        environment[PROCESSES] = "3"
        arguments = ("-n", environment[PROCESSES], "--dist", "loadfile", "--no-loadscope-reorder")
    done = subprocess.run([BIN / "python", "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False)
    return done.returncode or (1 if failed else 0)


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks against the portal of this data folder, or one of their own."""
    program = ROOT / "bench" / "run.py"
    if not program.is_file():
        raise Problem(f"There is no {program}.")
    commands.adopt_running_portal()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([BIN / "python", program, *arguments], cwd=ROOT, env=environment, check=False).returncode


def failed_checks() -> list[str]:
    """Run the checks and print what fails; return the names of those that failed."""
    failed = []
    for name, run_check in CHECKS.items():
        try:
            with step(name):
                _require(run_check())
        except _CheckFailed as problem:
            failed.append(name)
            say(str(problem))
    return failed


class _CheckFailed(Exception):
    """Carry what a check printed."""


def _require(output: str) -> None:
    if output:
        raise _CheckFailed(output)


def _run(*command: str | Path, **changed: str) -> str:
    """Run a check; return nothing when it passes, else what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(**changed), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    return (done.stdout.strip() or f"ended with code {done.returncode}") if done.returncode else ""


def stand_in_environment() -> dict[str, str]:
    """Return an environment in which settings load, though no server is there."""
    return {
        "PORTAL_ENV": "test",
        "PORTAL_SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "trading_portal.settings",
    }


def _environment(**changed: str) -> dict[str, str]:
    return {**os.environ, **stand_in_environment(), "PYTHONWARNINGS": "ignore::RuntimeWarning", **changed}


def _migrations() -> str:
    return _run(sys.executable, MANAGE, "makemigrations", "--check", "--dry-run")


def _deployment() -> str:
    return _run(
        sys.executable, MANAGE, "check", "--deploy", "--fail-level", "WARNING",
        PORTAL_ENV="production", PORTAL_ALLOWED_HOSTS="portal.example.com",
        PORTAL_ORIGINS="https://portal.example.com",
    )  # fmt: skip


def _openapi() -> str:
    """Compare the committed API document with the one that the code describes now."""
    command = [sys.executable, str(MANAGE), "spectacular", "--validate", "--fail-on-warn"]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        return str(done.stderr or done.stdout).strip()
    committed = OPENAPI.read_text() if OPENAPI.is_file() else ""
    if committed.strip() == done.stdout.strip():
        return ""
    name = str(OPENAPI.relative_to(ROOT))
    lines = difflib.unified_diff(committed.splitlines(), done.stdout.splitlines(), name, "the code", lineterm="", n=1)
    return "\n".join([*list(lines)[:40], f"To accept: python3 manage.py spectacular --validate --file {name}"])


CHECKS: Mapping[str, Callable[[], str]] = {
    "ruff check": lambda: _run(BIN / "ruff", "check", "--quiet", "."),
    "ruff format": lambda: _run(BIN / "ruff", "format", "--check", "--quiet", "."),
    "lint-imports": lambda: _run(BIN / "lint-imports"),
    "mypy": lambda: _run(BIN / "mypy"),
    "missing migrations": _migrations,
    "OpenAPI drift": _openapi,
    "check --deploy": _deployment,
}
