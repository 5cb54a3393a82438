"""A whole portal starts with one command, tells tools where it is, and gets up again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from trading_portal.running import layout, processes
from trading_portal.running.layout import MANAGE

NAMES = {"supervisor", "postgres", "valkey", "web", "worker", "venue", "feed", "relay"}


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def facts(portal: dict[str, Any]) -> dict[str, Any]:
    return layout.read_json(Path(portal["data_dir"]) / "portal.json")


def answers(portal: dict[str, Any]) -> bool:
    connection = HTTPConnection(urlsplit(portal["url"]).netloc, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_tools_find_everything_they_need_in_portal_json(portal: dict[str, Any]) -> None:
    file = Path(portal["data_dir"]) / "portal.json"
    assert file.stat().st_mode & 0o777 == 0o600
    for who in ("trader", "risk", "partner"):
        assert set(portal["users"][who]) == {"username", "password"}
    assert all(portal["api"][name] for name in ("key_id", "secret_key"))
    assert set(portal["pids"]) == NAMES
    assert all(processes.started_at(pid) for pid in portal["pids"].values())
    assert answers(portal)


def test_every_process_takes_the_role_that_owns_nothing(portal: dict[str, Any]) -> None:
    with psycopg.connect(portal["database_url"]) as connection:
        owner, database = connection.execute("SELECT current_user, current_database()").fetchone() or ("", "")
        owned = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rights = connection.execute("SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = 'portal_app'")
        assert (owner, database) == ("portal", "portal")
        assert owned == [("portal",)]
        assert rights.fetchone() == (False, False)


def test_a_second_start_says_where_the_portal_runs(portal: dict[str, Any]) -> None:
    environment = {
        **os.environ,
        "PORTAL_DATA_DIR": portal["data_dir"],
        "PORTAL_PORT": str(urlsplit(portal["url"]).port),
    }
    done = subprocess.run([sys.executable, MANAGE, "up"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"already runs at {portal['url']}" in done.stdout
    assert answers(portal)


def sweeping(portal: dict[str, Any]) -> set[int]:
    """Return the database backends that have swept for a while: seen after a task, they served one before."""
    with psycopg.connect(portal["database_url"]) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT DISTINCT venue FROM orders_venueintent%%'"
            " AND query_start > backend_start + interval '2 s'"
        )
        return {pid for (pid,) in rows}


def test_a_worker_keeps_its_connections_from_task_to_task_and_replaces_a_broken_one(portal: dict[str, Any]) -> None:
    wait_until(lambda: bool(sweeping(portal)), seconds=20)
    broken = sweeping(portal)
    with psycopg.connect(portal["database_url"]) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS broken(pid)", [list(broken)])
    wait_until(lambda: bool(sweeping(portal) - broken), seconds=20)
    assert not sweeping(portal) & broken


def test_a_killed_web_process_serves_again_within_thirty_seconds(portal: dict[str, Any]) -> None:
    killed = facts(portal)["pids"]["web"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: facts(portal)["pids"].get("web", killed) != killed and answers(portal), seconds=30)
