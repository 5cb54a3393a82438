"""Hold foreign keys a statement at a time, for tables that are written by the hundred.

PostgreSQL checks a foreign key row by row at the commit, and locks every row that is referred to: a fifth of what it
costs the database to store an order. These triggers hold the same promise with one look for each statement: what is
referred to exists when the row is written, the reference never changes, and what is referred to is never deleted.
A model says `db_constraint=False` and its migration runs `references_hold`. The same look also holds what a row repeats
of the row it refers to, so that it can be found by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

_INSERT = """
CREATE FUNCTION {table}_references() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
{looks}
    RETURN NULL;
END $$;
CREATE TRIGGER {table}_references AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {table}_references();
"""
_LOOK = """
    IF EXISTS (SELECT FROM added WHERE {column} IS NOT NULL
               AND NOT EXISTS (SELECT FROM {target} AS target WHERE target.id = added.{column}{alike})) THEN
        RAISE EXCEPTION '{table}.{column} refers to no row of {target}{told}'
            USING ERRCODE = 'foreign_key_violation', TABLE = '{table}', COLUMN = '{column}';
    END IF;
"""
_UPDATE = """
CREATE FUNCTION {table}_references_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a row of {table} refers to does not change' USING ERRCODE = 'foreign_key_violation';
END $$;
CREATE TRIGGER {table}_references_stay BEFORE UPDATE OF {columns} ON {table}
    FOR EACH ROW WHEN ({changes}) EXECUTE FUNCTION {table}_references_stay();
"""
_DELETE = """
CREATE FUNCTION {table}_{column}_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {table} WHERE {column} = OLD.id) THEN
        RAISE EXCEPTION '{table}.{column} still refers to a row of {target}' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER {table}_{column}_kept BEFORE DELETE ON {target}
    FOR EACH ROW EXECUTE FUNCTION {table}_{column}_kept();
"""


def references_hold(
    table: str, references: Mapping[str, str], *, repeated: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the SQL that holds a table's references, given as column: table referred to (by its `id`).

    `repeated` names, by the referring column, those that say the same in both tables; they do not change either.
    """
    return "".join(_parts(table, references, repeated or {}))


def references_let_go(table: str, references: Mapping[str, str]) -> str:
    """Return the SQL that undoes `references_hold`."""
    drops = [f"DROP FUNCTION {table}_references, {table}_references_stay CASCADE;"]
    return "".join(drops + [f"DROP FUNCTION {table}_{column}_kept CASCADE;" for column in references])


def _parts(table: str, references: Mapping[str, str], repeated: Mapping[str, Sequence[str]]) -> Iterator[str]:
    looks = [_look(table, column, target, repeated.get(column, ())) for column, target in references.items()]
    yield _INSERT.format(table=table, looks="".join(looks))
    staying = [*references, *(name for names in repeated.values() for name in names)]
    changes = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in staying)
    yield _UPDATE.format(table=table, columns=", ".join(staying), changes=changes)
    for column, target in references.items():
        yield _DELETE.format(table=table, column=column, target=target)


def _look(table: str, column: str, target: str, repeated: Sequence[str]) -> str:
    # In words that no index answers to: while tables are small, one by what is repeated would seem as good as the key.
    alike = "".join(f" AND target.{name} IS NOT DISTINCT FROM added.{name}" for name in repeated)
    told = f" with the same {', '.join(repeated)}" if repeated else ""
    return _LOOK.format(table=table, column=column, target=target, alike=alike, told=told)
