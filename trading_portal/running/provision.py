"""Make the roles and the database that migrations and processes expect; safe to run again."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
from psycopg import Connection, sql

from trading_portal.running.problems import Problem

OWNER = "portal"
DATABASE = "portal"
APP_ROLE = "portal_app"


def wait_until_answers(url: str, *, seconds: float, turn: Callable[[], None]) -> None:
    """Wait until PostgreSQL accepts a connection; call `turn` while waiting."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise Problem(
                    "PostgreSQL refuses the password that is kept beside it: secrets.json is not the cluster's own.",
                    "put the right secrets.json back into the data folder",
                    "or begin anew, without its data: remove the data folder",
                ) from None
            if time.monotonic() > deadline:
                raise Problem("PostgreSQL does not answer:", *str(error).strip().splitlines()) from None
        else:
            return
        turn()
        time.sleep(0.05)


def provision_cluster(superuser_url: str, owner_password: str, database: str = DATABASE) -> None:
    """In a cluster of our own: the owner, who is no superuser, its database, and the role of the processes."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if not _role_exists(connection, OWNER):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(OWNER), sql.Literal(owner_password))
        )
        _make_app_role(connection, OWNER)
        connection.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(APP_ROLE)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(database), sql.Identifier(OWNER)))
    with psycopg.connect(superuser_url, dbname=database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def provision_server(url: str) -> None:
    """On a server that DATABASE_URL names: the role of the processes, where its user may make roles."""
    try:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
            if not _may_take_app_role(connection):
                _make_app_role(connection, connection.info.user)
    except psycopg.errors.InsufficientPrivilege:
        raise Problem(
            "The database user of DATABASE_URL may not make the role that the portal's processes take.",
            "have its administrator run, once:",
            f"  CREATE ROLE {APP_ROLE} NOLOGIN;",
            f"  GRANT {APP_ROLE} TO {psycopg.conninfo.conninfo_to_dict(url).get('user', 'the_user')};",
        ) from None
    except psycopg.OperationalError as error:
        raise Problem("The server that DATABASE_URL names does not answer:", *str(error).strip().splitlines()) from None


def _role_exists(connection: Connection, role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _make_app_role(connection: Connection, member: str) -> None:
    """Make the role that owns nothing, and let `member` take it."""
    if not _role_exists(connection, APP_ROLE):
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(APP_ROLE)))
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP_ROLE), sql.Identifier(member)))


def _may_take_app_role(connection: Connection) -> bool:
    """Tell whether the role is there and this connection's user may take it."""
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APP_ROLE)))
        connection.execute("RESET ROLE")
    except psycopg.errors.Error:
        return False
    return True
