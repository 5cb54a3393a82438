"""Name the places: the project, its virtual environment, a portal's data folder and its port."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trading_portal.running.problems import Problem

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
MANAGE = ROOT / "manage.py"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Name the files of one portal; several live side by side, each in its own folder."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def supervisor(self) -> Path:
        """Who the supervisor is, and which processes it has started."""
        return self.path / "supervisor.json"

    @property
    def secrets(self) -> Path:
        """Passwords and the secret key, made once."""
        return self.path / "secrets.json"

    @property
    def portal(self) -> Path:
        """Addresses, sign-ins and keys of the portal that serves now."""
        return self.path / "portal.json"

    @property
    def demo(self) -> Path:
        """Demo sign-ins and API key, as `load_demo` wrote them."""
        return self.path / "demo.json"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def metrics(self) -> Path:
        """What the processes count, for as long as the portal runs."""
        return self.path / "metrics"


def data_folder(environment: Mapping[str, str]) -> DataFolder:
    """Return the data folder that PORTAL_DATA_DIR names, else `.data` in the project."""
    named = environment.get("PORTAL_DATA_DIR")
    return DataFolder((Path(named).expanduser() if named else ROOT / ".data").absolute())


def port(environment: Mapping[str, str]) -> int:
    """Return the port that PORTAL_PORT names; raise Problem when it is no port."""
    named = environment.get("PORTAL_PORT") or str(DEFAULT_PORT)
    if not (named.isascii() and named.isdigit() and 1 <= int(named) <= 65535):
        raise Problem(f"PORTAL_PORT is {named!r}; it must be a number from 1 to 65535.", "PORTAL_PORT=8001 make run")
    return int(named)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's object; empty when it is not there or not whole."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write an object as JSON into a file that only its owner may read."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def require_writable(folder: Path, what: str, elsewhere: str = "") -> None:
    """Make a folder if it is missing; raise Problem with the way out when it cannot be written."""
    me = user_name(os.geteuid())
    ways = [f"sudo chown -R {me} {folder}"] + ([f"or elsewhere:  {elsewhere}"] if elsewhere else [])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except FileExistsError:
        raise Problem(f"{what} {folder} is a file, not a folder.", f"rm {folder}") from None
    except PermissionError:
        nearest = next(place for place in (folder, *folder.parents) if _is_visible(place))
        owner = user_name(nearest.stat().st_uid)
        if nearest != folder:
            raise Problem(
                f"{what} {folder} cannot be made: {nearest} belongs to {owner}, you are {me}.", *ways[1:]
            ) from None
        raise Problem(f"{what} {folder} belongs to {owner} and cannot be written by {me}.", *ways) from None
    except OSError as error:
        raise Problem(f"{what} {folder} cannot be written: {error.strerror}.", *ways[1:]) from None


def _is_visible(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:
        return False
