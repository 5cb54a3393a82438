"""What is acknowledged is on disk: a database that may lose it is refused, and our own never does."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.sdk.helpers import until
from trading_portal.running import holding, provision, testing
from trading_portal.running.console import say
from trading_portal.running.layout import MANAGE, ROOT, DataFolder
from trading_portal.running.ports import free_port
from trading_portal.running.problems import Problem
from trading_portal.running.servers import start_postgres
from trading_portal.running.supervisor import Supervisor

SETTING = "synchronous_commit"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start a cluster as `up` does; give the addresses of the portal's user and of the superuser."""
    folder = DataFolder(tmp_path_factory.mktemp("durable"))
    supervisor = Supervisor(str(folder.path), folder.logs, say, lambda: None)
    holding.prepare(folder)
    try:
        url = start_postgres(supervisor, folder, {}, lambda: supervisor.turn(0.02)).url
        password = holding.read_secrets(folder)["postgres_password"]
        yield url, f"postgres://postgres:{password}@{url.rpartition('@')[2]}"
    finally:
        supervisor.stop(["postgres"], lambda: False)
        testing._forget(folder)


@pytest.fixture
def stranger(served: tuple[str, str]) -> Iterator[tuple[str, psycopg.Connection]]:
    """Make a database of somebody's own; give its owner's address, and a connection of its administrator."""
    name, password = f'somebody"s-{secrets.token_hex(4)}', secrets.token_hex(8)
    role = sql.Identifier(name)
    with psycopg.connect(served[1], autocommit=True) as administrator:
        administrator.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
        administrator.execute(sql.SQL("GRANT portal_app TO {}").format(role))
        administrator.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(role))
        where = psycopg.conninfo.make_conninfo(served[0], user=name, password=password, dbname=name)
        yield where, administrator
        administrator.execute(sql.SQL("DROP DATABASE {}").format(role))
        administrator.execute(sql.SQL("DROP ROLE {}").format(role))


def set_where(stranger: tuple[str, psycopg.Connection], where: str, value: str) -> None:
    """Set how a stranger's sessions commit, in one of the places where that may be set."""
    name = psycopg.conninfo.conninfo_to_dict(stranger[0])["dbname"]
    statement = sql.SQL("ALTER " + where + " SET synchronous_commit = {value}")
    stranger[1].execute(statement.format(name=sql.Identifier(str(name)), value=sql.Literal(value)))


@contextmanager
def standbys_named(administrator: psycopg.Connection) -> Iterator[None]:
    """Have the server wait for standbys; the administrator does not wait for them."""
    administrator.execute("SET synchronous_commit = local")
    try:
        for names in ("one, another", ""):
            administrator.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(names))
            administrator.execute("SELECT pg_reload_conf()")
            until(lambda names=names: administrator.execute("SHOW synchronous_standby_names").fetchone() == (names,))
            if names:
                yield
    finally:
        administrator.execute("ALTER SYSTEM RESET synchronous_standby_names")
        administrator.execute("SELECT pg_reload_conf()")


def test_sessions_of_the_portal_s_own_role_at_our_own_server_commit_to_disk(served: tuple[str, str]) -> None:
    provision.require_durable(served[0])
    with psycopg.connect(served[0], options="-c role=portal_app") as connection:
        found = [connection.execute(f"SHOW {name}").fetchone() for name in provision.DURABLE]
        assert connection.execute("SELECT current_user").fetchone() == ("portal_app",)
    assert found == [("on",)] * 3


@pytest.mark.parametrize("value", ["on", "remote_write", "remote_apply", "local"])
def test_commits_that_wait_for_the_disk_are_taken(stranger: tuple[str, psycopg.Connection], value: str) -> None:
    set_where(stranger, "DATABASE {name}", value)
    provision.require_durable(stranger[0])


@pytest.mark.parametrize("where", ["DATABASE {name}", "ROLE {name}", "ROLE {name} IN DATABASE {name}"])
def test_commits_that_do_not_wait_for_the_disk_are_refused_and_the_way_out_works(
    stranger: tuple[str, psycopg.Connection], where: str
) -> None:
    set_where(stranger, where, "off")
    # What an address may say for itself, the portal's processes do not read.
    says_otherwise = psycopg.conninfo.make_conninfo(stranger[0], options="-c synchronous_commit=on")
    with pytest.raises(Problem, match=r"synchronous_commit is off \(.*must be on") as refused:
        provision.require_durable(says_otherwise)
    told, way_out = refused.value.way_out
    assert told.endswith("then start again:")
    stranger[1].execute(way_out)
    provision.require_durable(says_otherwise)


def test_local_commits_are_refused_where_standbys_are_waited_for(stranger: tuple[str, psycopg.Connection]) -> None:
    set_where(stranger, "DATABASE {name}", "local")
    with standbys_named(stranger[1]), pytest.raises(Problem, match="synchronous_commit is local"):
        provision.require_durable(stranger[0])
    provision.require_durable(stranger[0])


def test_a_server_that_does_not_write_through_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    # The server of the test session is such a one: what a crash of the machine would cost does not matter to it.
    taken = {"PORTAL_DATA_DIR": str(tmp_path / "data"), "PORTAL_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, MANAGE, "up"],
        cwd=ROOT,
        env={**os.environ, **taken},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "fsync is off (command line); full_page_writes is off (command line)" in said
    assert "a start of the server without -c fsync=" in said
    assert "Redis" not in said
    assert not (tmp_path / "data" / "valkey").exists()


def test_a_role_that_cannot_connect_is_told() -> None:
    with pytest.raises(Problem, match="cannot connect"):
        provision.require_durable("postgres://a:b@127.0.0.1:1/c")
