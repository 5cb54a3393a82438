"""Bring up PostgreSQL and Redis: our own under the data folder, or those that the environment names."""

from __future__ import annotations

import functools
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trading_portal.running import holding, logfile, postgres, probe, processes, provision, valkey
from trading_portal.running.layout import DataFolder, read_json
from trading_portal.running.ports import free_port
from trading_portal.running.problems import Problem
from trading_portal.running.supervisor import Child, Program, Supervisor

PLAIN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Service:
    """Say where a server answers, and whether it is ours."""

    url: str
    note: str


def start_postgres(
    supervisor: Supervisor,
    folder: DataFolder,
    environment: Mapping[str, str],
    turn: Callable[[], None],
    **settings: str,
) -> Service:
    """Return the database the portal works on, provisioned; start our own server where none is named."""
    if url := environment.get("DATABASE_URL"):
        provision.provision_server(url)
        return Service(url, "the server that DATABASE_URL names")
    secrets = holding.read_secrets(folder)
    place, programs, owner = postgres.place(folder.path)
    _require_remembered(folder, place, str(secrets.get("cluster", place)))
    port = free_port(secrets.get("postgres_port"))
    holding.remember(folder, cluster=str(place), postgres_port=port)
    cluster = postgres.Cluster(place, programs, owner, port, secrets["postgres_password"])
    postgres.initialise(cluster)
    child = supervisor.add(postgres_program(cluster, **settings))

    def turn_while_alive() -> None:
        turn()
        _require_alive(child)

    provision.wait_until_answers(cluster.superuser_url(), seconds=60, turn=turn_while_alive)
    provision.provision_cluster(cluster.superuser_url(), secrets["owner_password"])
    url = cluster.url(provision.OWNER, secrets["owner_password"], provision.DATABASE)
    return Service(url, f"port {port}" + ("" if place.is_relative_to(folder.path) else f", in {place.parent}"))


def postgres_program(cluster: postgres.Cluster, **settings: str) -> Program:
    """Return PostgreSQL as a program to supervise."""
    return Program(
        name="postgres",
        command=cluster.command(**settings),
        environment=PLAIN_ENVIRONMENT,
        folder=cluster.folder.parent if cluster.owner.uid is None else Path("/"),
        beats=False,
        probe=probe.Probe(cluster.port, probe.POSTGRES_QUESTION),
        stop_signal=signal.SIGINT,
        stop_seconds=30,
        orphan_signal=signal.SIGINT,
        user=cluster.owner.uid,
        group=cluster.owner.gid,
        before=lambda: postgres.clear_leftovers(cluster),
    )


def start_valkey(
    supervisor: Supervisor, folder: DataFolder, environment: Mapping[str, str], turn: Callable[[], None]
) -> Service:
    """Return the Redis the portal works with; start our own where none is named."""
    if url := environment.get("REDIS_URL"):
        _require_listening(url)
        return Service(url, "the server that REDIS_URL names")
    secrets = holding.read_secrets(folder)
    port = free_port(secrets.get("valkey_port"))
    holding.remember(folder, valkey_port=port)
    store = valkey.Store(folder.path / "valkey", port, secrets["valkey_password"])
    child = supervisor.add(valkey_program(store))
    while child.heard_at is None:
        turn()
        _require_alive(child)
    return Service(store.url, f"port {port}")


def valkey_program(store: valkey.Store) -> Program:
    """Return Valkey as a program to supervise."""
    return Program(
        name="valkey",
        command=store.command(),
        environment=PLAIN_ENVIRONMENT,
        folder=store.folder,
        beats=False,
        probe=probe.Probe(store.port, probe.VALKEY_QUESTION),
        orphan_signal=signal.SIGTERM,
        before=lambda: valkey.clear_leftovers(store),
    )


def _require_remembered(folder: DataFolder, place: Path, remembered: str) -> None:
    """Refuse to begin an empty cluster while an earlier one of this portal stands elsewhere."""
    earlier = Path(remembered)
    if earlier != place and not place.exists() and (earlier.exists() or not _may_look(earlier)):
        raise Problem(
            f"This portal's data is in {earlier}, where it was put when the portal ran as root.",
            "run as root again",
            f"or move it:  sudo mv {earlier} {place} && sudo chown -R $(id -un) {folder.path}",
        )


def _may_look(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return False
    except FileNotFoundError:
        return True
    return True


def _require_alive(child: Child) -> None:
    if child.quick_deaths >= 3:
        raise Problem(f"{child.program.name} does not start; the end of {child.log}:", *logfile.tail(child.log))


def _require_listening(url: str) -> None:
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname or "127.0.0.1", where.port or 6379), timeout=5).close()
    except OSError as error:
        raise Problem(f"The Redis that REDIS_URL names does not answer: {error}.") from None


def end_leftovers(folder: DataFolder) -> int:
    """End servers that a killed run left behind; return how many there were."""
    places = {folder.path / "postgres", folder.path / "valkey"}
    if cluster := read_json(folder.secrets).get("cluster"):
        places.add(Path(cluster))
    ended = 0
    for place in places:
        found = processes.working_in(place)
        ended += len(found)
        processes.end(functools.partial(processes.working_in, place), politely=signal.SIGINT)
    return ended
