"""Give `manage.py` its own commands; everything else goes to Django, in the virtual environment."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from trading_portal.running import assets, bootstrap, layout
from trading_portal.running.console import fail
from trading_portal.running.layout import MANAGE, VENV, VENV_PYTHON
from trading_portal.running.problems import Problem

# What is wrong with the machine, not with the portal.
OUTSIDE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
HELP = """Portal commands (any Python 3.11 or newer will do; the rest is installed):
  up       install what is missing, start the portal and watch over it
  stop     stop it; the data is kept
  test     run the checks, then the tests (further words go to pytest)
  check    run the checks: ruff, import-linter, mypy, migrations, OpenAPI, deployment
  bench    measure, and print each figure beside its floor
  mutants  plant known bugs in a copy, one by one, and see that the order machine finds each
  lock     pin the Python packages anew
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    name = arguments[1] if len(arguments) > 1 else "help"
    bootstrap.keep_bytecode()
    try:
        # `check` with options is Django's own command of that name.
        if name in COMMANDS and not (name == "check" and len(arguments) > 2):
            return COMMANDS[name](arguments[2:])
        return django(arguments)
    except Problem as problem:
        fail(problem)
        return 1
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        fail(f"{error.filename or 'A file'} cannot be used by {layout.user_name(os.geteuid())}: {error.strerror}.")
        return 1
    except KeyboardInterrupt:
        fail("Interrupted.")
        return 130


def up(rest: Sequence[str]) -> int:
    """Install what is missing, then start the portal and watch over it."""
    _refuse_words("up", rest)
    bootstrap.install(bootstrap.RUNTIME)
    bootstrap.install_fix(os.environ)
    assets.install()
    return _in_venv("up", "up", os.environ)


def stop(rest: Sequence[str]) -> int:
    """Stop the portal of this data folder."""
    _refuse_words("stop", rest)
    if not VENV_PYTHON.exists():
        raise Problem("Nothing is installed here, so nothing runs from here.", "to start:  make run")
    return _in_venv("up", "stop", os.environ)


def test(rest: Sequence[str]) -> int:
    """Install the development packages, run the checks, then pytest."""
    bootstrap.install(bootstrap.DEVELOPMENT)
    assets.install()
    return _in_venv("quality", "test", rest)


def check(rest: Sequence[str]) -> int:
    """Install the development packages and run the checks."""
    bootstrap.install(bootstrap.DEVELOPMENT)
    return _in_venv("quality", "check")


def bench(rest: Sequence[str]) -> int:
    """Install the development packages and measure."""
    bootstrap.install(bootstrap.DEVELOPMENT)
    assets.install()
    return _in_venv("quality", "bench", rest)


def mutants(rest: Sequence[str]) -> int:
    """Install the development packages and see that planted bugs are found; further words name some of them."""
    bootstrap.install(bootstrap.DEVELOPMENT)
    return _in_venv("mutants", "run", rest)


def lock(rest: Sequence[str]) -> int:
    """Pin the Python packages anew, from pyproject.toml."""
    _refuse_words("lock", rest)
    bootstrap.install(bootstrap.RUNTIME)
    bootstrap.lock()
    return 0


def django(arguments: Sequence[str]) -> int:
    """Run one of Django's commands, or of the portal's apps."""
    _enter_venv()
    if importlib.util.find_spec("django") is None:
        raise Problem("Django is not installed for this Python, and there is no .venv yet.", "make run")
    if len(arguments) < 2 or arguments[1] in ("help", "--help", "-h"):
        print(HELP)
    adopt_running_portal()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trading_portal.settings")
    unconfigured = importlib.import_module("django.core.exceptions").ImproperlyConfigured
    try:
        importlib.import_module("django.core.management").execute_from_command_line(list(arguments))
    except unconfigured as error:
        folder = layout.data_folder(os.environ).path
        raise Problem(f"{error}", f"no portal runs on {folder} now; to start it:  make run") from None
    return 0


def adopt_running_portal() -> None:
    """Let a command typed by hand find the portal that runs on this data folder."""
    folder = layout.data_folder(os.environ)
    try:
        portal, secrets = layout.read_json(folder.portal), layout.read_json(folder.secrets)
    except PermissionError:
        return
    known = {
        "DATABASE_URL": portal.get("database_url"),
        "REDIS_URL": portal.get("redis_url"),
        "PORTAL_SECRET_KEY": secrets.get("secret_key"),
    }
    for name, value in known.items():
        if value:
            os.environ.setdefault(name, str(value))


def _in_venv(module: str, function: str, *arguments: object) -> int:
    """Call a function of a module that needs the installed packages, in the Python that has them."""
    _enter_venv()
    run: Callable[..., int] = getattr(importlib.import_module(f"trading_portal.running.{module}"), function)
    return run(*arguments)


def _enter_venv() -> None:
    """Go on in the Python of `.venv`, where there is one and this is another."""
    if VENV_PYTHON.exists() and os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        if not os.access(VENV_PYTHON, os.X_OK):
            raise Problem(
                f"{VENV_PYTHON} cannot be run by {layout.user_name(os.geteuid())}.", "rm -rf .venv && make run"
            )
        os.execv(VENV_PYTHON, [str(VENV_PYTHON), str(MANAGE), *sys.argv[1:]])


def _refuse_words(name: str, rest: Sequence[str]) -> None:
    if rest:
        raise Problem(f"`manage.py {name}` takes no further words; it reads its settings from the environment.")


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "up": up,
    "stop": stop,
    "test": test,
    "check": check,
    "bench": bench,
    "mutants": mutants,
    "lock": lock,
}
