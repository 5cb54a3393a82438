"""Start a portal, say how to reach it, and watch over it until told to stop."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType

from trading_portal.kernel import clock
from trading_portal.running import (
    holding,
    layout,
    logfile,
    migrations,
    processes,
    provision,
    servers,
    static_files,
    summary,
    table,
)
from trading_portal.running.console import say, step
from trading_portal.running.layout import MANAGE, ROOT, VENV, VENV_PYTHON, DataFolder
from trading_portal.running.ports import HOST, free_port, is_free
from trading_portal.running.problems import Problem
from trading_portal.running.supervisor import TURN_SECONDS, Supervisor

READY_SECONDS = 180.0
PRICES_SECONDS = 90.0
SERVERS = ("valkey", "postgres")


class Stopped(Exception):
    """End a start that was asked to stop."""


class Portal:
    """Hold one running portal: its folder, its supervisor, and whether it was asked to stop."""

    def __init__(self, folder: DataFolder, port: int, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = port
        self.environment = dict(environment)
        self.asked_to_stop = 0
        self.facts: dict[str, object] = {}
        self.supervisor = Supervisor(
            str(folder.path), folder.logs, self.report, self.write_processes, metrics=folder.metrics
        )

    def run(self) -> None:
        """Start everything, serve until asked to stop, and stop everything."""
        began = clock.monotonic()
        self._listen_to_signals()
        self.write_processes()
        try:
            self._start()
            for line in summary.lines(self.facts, self.folder, clock.monotonic() - began):
                say(line)
            while not self.asked_to_stop:
                self.supervisor.turn(TURN_SECONDS)
        except Stopped:
            say("stopped while starting")
        finally:
            self._stop()

    def turn(self) -> None:
        """Watch over what runs already; raise Stopped when asked to."""
        self.supervisor.turn(TURN_SECONDS / 2)
        if self.asked_to_stop:
            raise Stopped

    def report(self, line: str) -> None:
        """Print and keep one line of the supervisor's."""
        stamped = f"{clock.now():%H:%M:%S} {line}"
        say(stamped)
        log = self.folder.logs / "supervisor.log"
        logfile.rotate(log)
        descriptor = logfile.open_log(log)
        os.write(descriptor, f"{clock.now():%Y-%m-%d }{stamped}\n".encode())
        os.close(descriptor)

    def write_processes(self) -> None:
        """Note who runs, for `stop`, for the next start, and for whoever reads portal.json."""
        running = self.supervisor.pids()
        note = {"supervisor": processes.identity(os.getpid()), "port": self.port, "processes": running}
        layout.write_json(self.folder.supervisor, note)
        if self.facts:
            self.facts["pids"] = {"supervisor": os.getpid()} | {name: who[0] for name, who in running.items()}
            layout.write_json(self.folder.portal, self.facts)

    def _start(self) -> None:
        say(f"Trading Portal, data in {self.folder.path}")
        if not is_free(self.port):
            is_reserved = self.port < 1024 and os.geteuid() != 0
            why = "is for root alone" if is_reserved else f"is taken by {processes.listener_of(self.port)}"
            another = layout.DEFAULT_PORT if is_reserved else free_port(self.port + 1)
            raise Problem(f"Port {self.port} {why}.", f"PORTAL_PORT={another} make run")
        with step("PostgreSQL") as this:
            database = servers.start_postgres(self.supervisor, self.folder, self.environment, self.turn)
            # Of our own server too: a role's or a database's setting stands above the command line's.
            provision.require_durable(database.url)
            this.note = database.note
        with step("Redis") as this:
            redis = servers.start_valkey(self.supervisor, self.folder, self.environment, self.turn)
            this.note = redis.note
        self.environment |= {"DATABASE_URL": database.url, "REDIS_URL": redis.url}
        if not migrations.are_current(self.folder, database.url):
            with step("Migrations"):
                self._manage("migrate", "--no-input", "-v", "0", PORTAL_DB_ROLE="")
                migrations.note_current(self.folder, database.url)
        if not static_files.are_current(self.folder):
            with step("Static files"):
                self._manage("collectstatic", "--no-input", "-v", "0")
                static_files.note_current(self.folder)
        with step("Demo people and instruments"):
            self._manage("load_demo", "--json", str(self.folder.demo))
        if table.web_processes(self.environment) > 1 and not sys.platform.startswith("linux"):
            say("This system lets one web process take every connection until it ends; the others stand by.")
        with step("Web, workers, feed, relay"):
            for program in table.programs(self.environment, self.folder, self.port):
                self.supervisor.add(program)
            self._wait_until_ready()
        with step("First prices") as this:
            this.note = self._wait_for_prices()
        self.facts = summary.facts(self.folder, self.port, self.environment)
        self.write_processes()

    def _manage(self, *arguments: str, **changed: str) -> None:
        """Run a management command to its end while watching over the servers."""
        log = self.folder.logs / "setup.log"
        descriptor = logfile.open_log(log)
        try:
            command = [str(VENV_PYTHON), str(MANAGE), *arguments]
            environment = {**self.environment, **changed}
            process = processes.spawn(command, folder=ROOT, environment=environment, log=descriptor)
        finally:
            os.close(descriptor)
        try:
            while process.poll() is None:
                self.turn()
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise Problem(f"`manage.py {arguments[0]}` failed; the end of {log}:", *logfile.tail(log))

    def _wait_until_ready(self) -> None:
        """Wait until the web process answers and every process has shown that its loop turns."""
        deadline = clock.monotonic() + READY_SECONDS
        children = [child for name, child in self.supervisor.children.items() if name not in SERVERS]
        while not (all(child.heard_at is not None for child in children) and _answers(self.port)):
            self.turn()
            late = clock.monotonic() > deadline
            for child in children:
                if child.quick_deaths >= 3 or (late and child.heard_at is None):
                    how = "shows no sign of life" if late else "dies at once, again and again"
                    raise Problem(f"{child.program.name} {how}; the end of {child.log}:", *logfile.tail(child.log))
            if late:
                raise Problem(f"The web process does not answer on port {self.port}; see {self.folder.logs}/web.log.")

    def _wait_for_prices(self) -> str:
        """Wait for the feed, which at first makes a market's history; serve without prices if that takes long."""
        deadline = clock.monotonic() + PRICES_SECONDS
        while not _answer(self.port).get("prices"):
            self.turn()
            if clock.monotonic() > deadline:
                return f"none yet; see {self.folder.logs}/feed.log"
        return ""

    def _stop(self) -> None:
        self.folder.portal.unlink(missing_ok=True)
        asked = self.asked_to_stop
        others = [name for name in self.supervisor.children if name not in SERVERS]

        def hurry() -> bool:
            return self.asked_to_stop > max(asked, 1)

        has_started = bool(self.supervisor.children)
        if has_started:
            say("Stopping ...")
        for names in (others, *([name] for name in SERVERS)):
            self.supervisor.stop(names, hurry)
        self.folder.supervisor.unlink(missing_ok=True)
        if has_started:
            say("Stopped; the data is kept.")

    def _listen_to_signals(self) -> None:
        def ask(number: int, frame: FrameType | None) -> None:
            self.asked_to_stop += 1

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGTERM:
                signal.signal(number, ask)


def _answers(port: int) -> bool:
    answer = _answer(port)
    return bool(answer.get("database") and answer.get("redis"))


def _answer(port: int) -> dict[str, bool]:
    """Return what the web process says of its health, nothing while it does not answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
        return {part: word == "ok" for part, word in answer.items()}
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()


def environment_of(folder: DataFolder, port: int, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that every process of this portal takes."""
    secrets = holding.read_secrets(folder)
    return {
        **base,
        "PATH": os.pathsep.join([str(VENV / "bin"), base.get("PATH", os.defpath)]),
        "DJANGO_SETTINGS_MODULE": "trading_portal.settings",
        "PYTHONUNBUFFERED": "1",
        "PORTAL_DATA_DIR": str(folder.path),
        "PORTAL_PORT": str(port),
        "PORTAL_SECRET_KEY": base.get("PORTAL_SECRET_KEY") or secrets["secret_key"],
        "METRICS_TOKEN": base.get("METRICS_TOKEN") or secrets["metrics_token"],
    }


def up(base: Mapping[str, str]) -> int:
    """Run the portal that this environment describes; return the exit code."""
    folder, port = layout.data_folder(base), layout.port(base)
    holding.prepare(folder)
    try:
        with holding.held(folder):
            if ended := holding.clear_leftovers(folder):
                say(f"Ended {ended} processes that an earlier, killed run had left.")
            folder.portal.unlink(missing_ok=True)
            Portal(folder, port, environment_of(folder, port, base)).run()
            return 0
    except holding.AlreadyRunning:
        say(_already_running(folder))
        return 0


def _already_running(folder: DataFolder) -> str:
    pid = (layout.read_json(folder.supervisor).get("supervisor") or ["?"])[0]
    if url := layout.read_json(folder.portal).get("url"):
        return f"The portal already runs at {url} (supervisor pid {pid}). To stop it: make stop"
    return f"The portal is being started or stopped by pid {pid} right now. To end it: make stop"


def stop(base: Mapping[str, str]) -> int:
    """Stop the portal that this environment describes, or what a killed one left; return the exit code."""
    folder = layout.data_folder(base)
    if holding.end_supervisor(folder):
        say("Stopped; the data is kept.")
        return 0
    ended = servers.end_leftovers(folder) + holding.clear_leftovers(folder) if folder.path.is_dir() else 0
    say(f"Ended {ended} processes of a killed run." if ended else f"No portal runs on {folder.path}.")
    return 0
