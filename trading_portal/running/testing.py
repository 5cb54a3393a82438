"""Give tests servers of their own, and whole portals of their own, beside whatever else runs here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trading_portal.kernel import clock
from trading_portal.running import holding, layout, logfile, servers, table, up
from trading_portal.running.console import say
from trading_portal.running.layout import MANAGE, ROOT, DataFolder
from trading_portal.running.ports import HOST, free_port
from trading_portal.running.problems import Problem
from trading_portal.running.supervisor import Supervisor

KEEP = "PORTAL_TEST_KEEP"
# What a machine's failure would cost does not matter to a test's cluster; all else is as it serves.
QUICK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
START_SECONDS = 60.0
SESSION = (
    "DATABASE_URL",
    "REDIS_URL",
    "PORTAL_SECRET_KEY",
    "PORTAL_DATA_DIR",
    "PORTAL_PORT",
    "PORTAL_DB_ROLE",
    "PORTAL_ENV",
    "GRIP_URL",
    "METRICS_TOKEN",
)


class TestServers:
    """Hold a PostgreSQL and a Valkey for one test session."""

    __test__ = False

    def __init__(self) -> None:
        self._leave = contextlib.ExitStack()
        self.folder = DataFolder(self._choose_folder())
        holding.prepare(self.folder)
        self._supervisor = Supervisor(str(self.folder.path), self.folder.logs, say, lambda: None)
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start both servers, and say in `environment` how to reach them."""
        try:
            database = servers.start_postgres(self._supervisor, self.folder, {}, self._turn, **QUICK)
            redis = servers.start_valkey(self._supervisor, self.folder, {}, self._turn)
        except BaseException:
            self.stop()
            raise
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "trading_portal.settings",
            "PORTAL_ENV": "test",
            "PORTAL_DATA_DIR": str(self.folder.path),
            "PORTAL_SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
            "GRIP_URL": "",
            "METRICS_TOKEN": secrets.token_urlsafe(36),
        }

    def migrate(self) -> None:
        """Bring the database to the tree's migrations, as its owner."""
        done = subprocess.run(
            [sys.executable, MANAGE, "migrate", "--no-input", "-v", "0"], cwd=ROOT, text=True, capture_output=True,
            env={**os.environ, **self.environment, "PORTAL_DB_ROLE": ""}, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Problem("The migrations failed:", *done.stderr.strip().splitlines()[-20:])

    def stop(self) -> None:
        """Stop both servers and remove their folder, unless it is to be kept."""
        self._supervisor.stop(["valkey"], lambda: False)
        self._supervisor.stop(["postgres"], lambda: False)
        self._leave.close()

    def _turn(self) -> None:
        self._supervisor.turn(0.02)

    def _choose_folder(self) -> Path:
        """Return the folder that PORTAL_TEST_KEEP names if no other session works in it, else a new one."""
        if kept := os.environ.get(KEEP):
            path = Path(kept).absolute()
            path.mkdir(parents=True, exist_ok=True)
            lock = self._leave.enter_context((path / "session.lock").open("w"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return path
        path = Path(tempfile.mkdtemp(prefix="portal-test-"))
        self._leave.callback(shutil.rmtree, path, ignore_errors=True)
        self._leave.callback(_forget, DataFolder(path))
        return path


@contextlib.contextmanager
def running_portal(*, seconds: float = 300.0, **environment: str) -> Iterator[dict[str, Any]]:
    """Start a whole portal with its own data folder and port; yield its portal.json; stop it and forget its data."""
    path = Path(tempfile.mkdtemp(prefix="portal-whole-"))
    folder = DataFolder(path / "data")
    if os.geteuid() == 0:
        path.chmod(0o711)
    inherited = {name: value for name, value in os.environ.items() if name not in SESSION}
    given = {"PORTAL_DATA_DIR": str(folder.path), "PORTAL_PORT": str(free_port()), **environment}
    output = path / "up.log"
    descriptor = logfile.open_log(output)
    process = subprocess.Popen(
        [sys.executable, MANAGE, "up"], cwd=ROOT, env={**inherited, **given}, stdin=subprocess.DEVNULL,
        stdout=descriptor, stderr=descriptor, start_new_session=True,
    )  # fmt: skip
    os.close(descriptor)
    try:
        yield _wait_for_portal(folder, process, output, seconds)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _forget(folder)
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def web_processes(environment: Mapping[str, str], *, server: str, count: int = 1) -> Iterator[tuple[Supervisor, str]]:
    """Serve what this environment names with so many web processes of one server; yield their supervisor and host:port.

    The supervisor starts again what dies only while it is given turns.
    """
    path = Path(tempfile.mkdtemp(prefix="portal-web-"))
    port = free_port()
    changed = {"PORTAL_ASGI": server, "PORTAL_WEB_PROCESSES": str(count), "PORTAL_PORT": str(port)}
    supervisor = Supervisor(str(path), path, say, lambda: None, metrics=path / "metrics")
    programs = table.web_programs({**environment, **changed}, DataFolder(path), port)
    deadline = clock.monotonic() + START_SECONDS
    try:
        children = [supervisor.add(program) for program in programs]
        while not all(child.heard_at for child in children):
            supervisor.turn(0.02)
            if clock.monotonic() > deadline:
                raise Problem("The web processes did not start:", *logfile.tail(children[0].log, 40))
        yield supervisor, f"{HOST}:{port}"
    finally:
        supervisor.stop(list(supervisor.children), lambda: False)
        shutil.rmtree(path, ignore_errors=True)


def web_environment(portal: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment in which one more web process serves a running portal."""
    inherited = {name: value for name, value in os.environ.items() if name not in SESSION}
    stores = {"DATABASE_URL": portal["database_url"], "REDIS_URL": portal["redis_url"]}
    return up.environment_of(DataFolder(Path(portal["data_dir"])), layout.DEFAULT_PORT, inherited) | stores


def _wait_for_portal(
    folder: DataFolder, process: subprocess.Popen[bytes], output: Path, seconds: float
) -> dict[str, Any]:
    deadline = clock.monotonic() + seconds
    while not (portal := layout.read_json(folder.portal)):
        if process.poll() is not None or clock.monotonic() > deadline:
            raise Problem("The portal did not start:", *logfile.tail(output, 40))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    return portal


def _forget(folder: DataFolder) -> None:
    """Remove a cluster that had to be put outside its data folder."""
    cluster = layout.read_json(folder.secrets).get("cluster")
    if cluster and not Path(cluster).is_relative_to(folder.path):
        shutil.rmtree(Path(cluster).parent, ignore_errors=True)
