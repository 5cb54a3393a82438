"""Make the roles and the database that migrations and processes expect; safe to run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import psycopg
from psycopg import Connection, sql

from trading_portal.running.problems import Problem

OWNER = "portal"
DATABASE = "portal"
APP_ROLE = "portal_app"
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
STANDBYS = "synchronous_standby_names"
SETTINGS = "SELECT name, setting, source FROM pg_settings WHERE name = ANY(%s)"


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


def require_durable(url: str) -> None:
    """Refuse a database whose commits may return before they are on disk: what is acknowledged must outlive a crash."""
    try:
        # As the processes connect, whatever else the address or PGOPTIONS may say.
        with psycopg.connect(url, connect_timeout=10, options=f"-c role={APP_ROLE}") as connection:
            found = {
                name: (value, source) for name, value, source in connection.execute(SETTINGS, [[*DURABLE, STANDBYS]])
            }
            ways = [_way_to_durability(connection, name, found[name][1]) for name in _undurable(found)]
    except psycopg.OperationalError as error:
        raise Problem("The portal's own role cannot connect:", *str(error).strip().splitlines()) from None
    if ways:
        told = "; ".join(f"{name} is {found[name][0]} ({found[name][1]})" for name in _undurable(found))
        raise Problem(
            f"The database may lose what it has acknowledged. For the user of DATABASE_URL {told}: this must be on.",
            "have its administrator run, then start again:",
            *ways,
        )


def _undurable(found: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the settings that are not as they must be.

    A `local` commit is on the disk of its server, which is all that is promised where there is no other. Where standbys
    are waited for, one of them takes over one day, and without the orders that nobody waited for.
    """
    standbys, _ = found[STANDBYS]
    bad = {"off", "local"} if standbys else {"off"}
    return [name for name in DURABLE if found[name][0] in bad]


def _way_to_durability(connection: Connection, name: str, source: str) -> str:
    """Return what undoes a setting, by where it was made."""
    role, database = (
        sql.Identifier(word or "").as_string(connection) for word in (connection.info.user, connection.info.dbname)
    )
    undone = {
        "user": f"ALTER ROLE {role} RESET {name};",
        "database": f"ALTER DATABASE {database} RESET {name};",
        "database user": f"ALTER ROLE {role} IN DATABASE {database} RESET {name};",
        "global": f"ALTER ROLE ALL RESET {name};",
        "command line": f"a start of the server without -c {name}=...",
    }
    return "  " + undone.get(source, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();")


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
