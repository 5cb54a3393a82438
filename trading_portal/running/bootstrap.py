"""Make `.venv` and put the pinned, hash-checked requirements into it, with the standard library alone."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trading_portal.running.console import step
from trading_portal.running.layout import ROOT, VENV, VENV_PYTHON, read_json, require_writable, write_json
from trading_portal.running.problems import Problem

STAMP = VENV / "portal-stamp.json"
INSTALLER = "requirements-uv.txt"
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
FIX = "requirements-fix.txt"
FIX_BEFORE = (3, 13)
BYTECODE = ROOT / ".cache" / "bytecode"


def keep_bytecode() -> None:
    """Keep compiled modules in a folder of their own where the environment wants none beside the sources.

    Without any, a process takes three times as long to start, and a portal is a dozen processes.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(BYTECODE))
        sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ["PYTHONPYCACHEPREFIX"]


def fingerprint(*names: str) -> str:
    """Return one hash over the named files of the project and the Python that runs."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform}".encode())
    for name in names:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_current(requirements: str) -> bool:
    """Tell whether `.venv` holds exactly what a requirements file pins."""
    stamped = read_json(STAMP)
    if not VENV_PYTHON.exists() or _has_moved():
        return False
    if requirements == RUNTIME and stamped.get(DEVELOPMENT) == fingerprint(DEVELOPMENT):
        return True
    return bool(stamped.get(requirements) == fingerprint(requirements))


def install(requirements: str) -> None:
    """Bring `.venv` to a requirements file, unless it is there already."""
    if is_current(requirements):
        return
    with setup_lock():
        if is_current(requirements):
            return
        if not _python_works():
            with step("Virtual environment"):
                _make_venv()
        with step("Python packages") as this:
            this.note = _install(requirements)
            write_json(STAMP, {**read_json(STAMP), "place": str(VENV), requirements: fingerprint(requirements)})


@contextlib.contextmanager
def setup_lock() -> Iterator[None]:
    """Let one run at a time set the project's folder up; others wait."""
    require_writable(ROOT, "The project's folder")
    with (ROOT / ".setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("Waiting for another set-up"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path], what: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command quietly; raise Problem with its last lines when it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise Problem(f"{what} failed:", *tail)


def tool_environment() -> dict[str, str]:
    """Return an environment in which downloaders find a home to cache in, whoever runs them."""
    environment = dict(os.environ)
    home = Path(environment.get("HOME") or "/nonexistent")
    if not os.access(home, os.W_OK | os.X_OK):
        cache = ROOT / ".cache"
        environment.setdefault("UV_CACHE_DIR", str(cache / "uv"))
        environment.setdefault("PIP_CACHE_DIR", str(cache / "pip"))
        environment.setdefault("npm_config_cache", str(cache / "npm"))
    for ours, theirs in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_FIND_LINKS", "UV_FIND_LINKS")):
        if environment.get(ours):
            environment.setdefault(theirs, environment[ours])
    environment.setdefault("UV_LINK_MODE", "copy")
    environment.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return environment


def _has_moved() -> bool:
    """Tell whether the folder was moved since: the programs of a virtual environment name its path."""
    return bool(read_json(STAMP).get("place", str(VENV)) != str(VENV))


def _python_works() -> bool:
    if not VENV_PYTHON.exists() or _has_moved():
        return False
    probe = [str(VENV_PYTHON), "-c", "import sys; print(sys.version_info[:2])"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == str(sys.version_info[:2])


def _make_venv() -> None:
    require_writable(VENV, "The virtual environment")
    if importlib.util.find_spec("ensurepip") is not None:
        run([sys.executable, "-m", "venv", "--clear", VENV], "Making .venv")
        return
    if importlib.util.find_spec("pip") is None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Problem("This Python can make no virtual environment: it has neither ensurepip nor pip.",
                      f"on Debian or Ubuntu:  sudo apt-get install {version}")  # fmt: skip
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], "Making .venv")


def _install(requirements: str) -> str:
    """Install with uv, which takes seconds; with pip where uv cannot be had. Return which."""
    require_writable(VENV, "The virtual environment")
    environment = tool_environment()
    pip = _pip()
    uv = str(VENV / "bin" / "uv")
    try:
        run([*pip, "install", "--quiet", "--require-hashes", "-r", INSTALLER], "Installing uv", environment)
        command = [uv, "pip", "install", "--quiet", "--python", str(VENV_PYTHON), "--require-hashes"]
        run([*command, "-r", requirements], "Installing the Python packages with uv", environment)
    except Problem as first:
        try:
            run([*pip, "install", "--quiet", "--require-hashes", "-r", requirements], "pip", environment)
        except Problem as second:
            raise Problem("The Python packages could not be installed.", *first.way_out, *second.way_out) from None
        return "with pip; uv did not work here"
    return ""


def _pip() -> list[str]:
    if any((VENV / "lib").glob("python*/site-packages/pip")):
        return [str(VENV_PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(VENV_PYTHON)]


def install_extra(requirements: str) -> None:
    """Add one more pinned file to `.venv`, for what only some machines need."""
    run([*_pip(), "install", "--quiet", "--require-hashes", "-r", requirements], requirements, tool_environment())


def install_fix(environment: Mapping[str, str]) -> None:
    """Add QuickFIX where partners or venues speak FIX; raise Problem on a Python that it has no wheels for."""
    if environment.get("PORTAL_FIX_PORT", "0") in ("", "0") and not environment.get("PORTAL_FIX_VENUES"):
        return
    if sys.version_info[:2] >= FIX_BEFORE:
        raise Problem(
            "FIX needs Python 3.11 or 3.12: QuickFIX has no wheels for this one.",
            "unset PORTAL_FIX_PORT and PORTAL_FIX_VENUES",
        )
    if not any((VENV / "lib").glob("python*/site-packages/quickfix.py")):
        with setup_lock(), step("QuickFIX"):
            install_extra(FIX)


def find_program(*names: str) -> str | None:
    """Return the first of some programs that this machine has."""
    return next((found for found in map(shutil.which, names) if found), None)


def lock() -> None:
    """Write requirements*.txt anew from pyproject.toml; existing pins are kept where they still fit."""
    uv = str(VENV / "bin" / "uv")
    options = (
        "-q", "--universal", "--generate-hashes", "--python-version", "3.11",
        "--no-emit-find-links", "--no-emit-index-url", "--no-header", "pyproject.toml",
    )  # fmt: skip
    compile_ = [uv, "pip", "compile", *options]
    with step(RUNTIME):
        run([*compile_, "-o", RUNTIME], "uv pip compile", tool_environment())
    with step(DEVELOPMENT):
        run([*compile_, "--group", "dev", "-c", RUNTIME, "-o", DEVELOPMENT], "uv pip compile", tool_environment())
