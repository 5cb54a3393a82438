"""References that are held a statement at a time are held as well as a foreign key's."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from trading_portal.kernel.references import references_hold, references_let_go


@pytest.fixture
def tables() -> Iterator[None]:
    """Make two tables and let the one refer to the other, until the test ends."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute("CREATE TABLE held_parent (id integer PRIMARY KEY)")
        cursor.execute("CREATE TABLE held_child (id integer, parent_id integer)")
        cursor.execute(references_hold("held_child", {"parent_id": "held_parent"}))
        cursor.execute("INSERT INTO held_parent VALUES (1), (2)")
        yield
        transaction.set_rollback(True)


def refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except IntegrityError:
        return True
    return False


def test_what_exists_or_is_nothing_may_be_referred_to(tables):
    assert not refused("INSERT INTO held_child VALUES (1, 1), (2, NULL), (3, 2)")


def test_one_orphan_among_many_refuses_them_all(tables):
    assert refused("INSERT INTO held_child VALUES (1, 1), (2, 3)")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM held_child")
        assert cursor.fetchone() == (0,)


def test_a_reference_does_not_change(tables):
    assert not refused("INSERT INTO held_child VALUES (1, 1)")
    assert not refused("UPDATE held_child SET id = 5, parent_id = 1")
    assert refused("UPDATE held_child SET parent_id = 2")


def test_what_is_referred_to_is_not_deleted(tables):
    assert not refused("INSERT INTO held_child VALUES (1, 1)")
    assert refused("DELETE FROM held_parent WHERE id = 1")
    assert not refused("DELETE FROM held_parent WHERE id = 2")


def test_letting_go_undoes_it(tables):
    with connection.cursor() as cursor:
        cursor.execute(references_let_go("held_child", {"parent_id": "held_parent"}))
    assert not refused("INSERT INTO held_child VALUES (1, 9)")


def test_what_a_row_repeats_of_it_is_the_same_and_stays(tables):
    with connection.cursor() as cursor:
        cursor.execute(references_let_go("held_child", {"parent_id": "held_parent"}))
        cursor.execute("ALTER TABLE held_parent ADD owner integer DEFAULT 7")
        cursor.execute("ALTER TABLE held_child ADD owner integer")
        cursor.execute(references_hold("held_child", {"parent_id": "held_parent"}, repeated={"parent_id": ["owner"]}))
    assert not refused("INSERT INTO held_child VALUES (1, 1, 7)")
    for another in ("8", "NULL"):
        assert refused(f"INSERT INTO held_child VALUES (2, 1, {another})")
        assert refused(f"UPDATE held_child SET owner = {another}")
    assert not refused("UPDATE held_child SET id = 5, owner = 7")


def test_every_foreign_key_without_a_constraint_is_held_by_its_tables_triggers():
    held = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tgrelid::regclass::text, tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
               WHERE tgname LIKE '%\\_references' OR tgname LIKE '%\\_kept'"""
        )
        held = {(table, name): source for table, name, source in cursor.fetchall()}
    unconstrained = [
        field
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and not field.db_constraint
    ]
    assert unconstrained, "nothing to look at"
    for field in unconstrained:
        table, target = field.model._meta.db_table, field.related_model._meta.db_table
        assert f"FROM {target} AS target WHERE target.id = added.{field.column}" in held[table, f"{table}_references"]
        assert (target, f"{table}_{field.column}_kept") in held
