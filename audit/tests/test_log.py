"""The log only grows, without gaps, and tells who, when and why."""

import threading
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from audit import selectors, services
from audit.domain.types import Actor, EventPayload, NewEvent
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

BY = Actor.system("test")


class Noted(EventPayload, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "test.noted"
    note: str


def new_event(stream: str, note: str = "hello", **fields) -> NewEvent:
    defaults = {"actor": BY, "correlation_id": uuid7(), "valid_at": clock.now()}
    return NewEvent(stream=stream, payload=Noted(note=note), **{**defaults, **fields})


def append(*events: NewEvent) -> list[UUID]:
    with transaction.atomic():
        return services.events_append(events=events, at=clock.now())


def test_an_event_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError):
        services.events_append(events=[new_event("test:outside")], at=clock.now())


def test_an_event_is_read_back_as_it_was_appended():
    stream, correlation_id = f"test:{uuid7()}", uuid7()
    append(new_event(stream, "first", correlation_id=correlation_id), new_event(stream, "second"))
    first, second = selectors.events_of_stream(stream)
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.payload_of(Noted) == Noted(note="first")
    assert Actor.parse(first.actor) == BY
    assert selectors.events_by_correlation(correlation_id) == [first]


def test_a_refused_transaction_leaves_no_gap():
    stream = f"test:{uuid7()}"
    append(new_event(stream))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.events_append(events=[new_event(stream)], at=clock.now())
        raise ZeroDivisionError
    append(new_event(stream))
    assert [event.sequence for event in selectors.events_of_stream(stream)] == [1, 2]


def test_many_writers_to_one_stream_leave_no_gap():
    stream, writers, each = f"test:{uuid7()}", 8, 10

    def write() -> None:
        for _ in range(each):
            append(new_event(stream), new_event(stream))
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sequences = [event.sequence for event in selectors.events_of_stream(stream)]
    assert sequences == list(range(1, writers * each * 2 + 1))


def test_the_same_place_in_a_stream_is_taken_once():
    stream = f"test:{uuid7()}"
    append(new_event(stream, sequence=1))
    with pytest.raises(DatabaseError):
        append(new_event(stream, sequence=1))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET type = 'x'", "DELETE FROM audit_event", "TRUNCATE audit_event CASCADE"]
)
@pytest.mark.parametrize("as_owner", [False, True], ids=["as the app", "as the owner"])
def test_nobody_changes_what_was_recorded(statement, as_owner):
    append(new_event(f"test:{uuid7()}"))
    refused = pytest.raises(DatabaseError, match=r"append-only|permission denied")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        if as_owner:
            cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute(statement)


def test_two_payloads_cannot_share_a_type():
    with pytest.raises(TypeError):

        class Other(EventPayload, frozen=True, kw_only=True):
            TYPE: ClassVar[str] = "test.noted"


def test_transactions_are_in_the_order_of_their_numbers_not_of_their_digits():
    stream, correlation_id = f"test:{uuid7()}", uuid7()
    with connection.cursor() as cursor:
        for sequence, xid in enumerate(("1000", "999"), start=1):
            cursor.execute(
                """INSERT INTO audit_event (id, xid, stream, sequence, type, version, payload, actor, correlation_id,
                   valid_at, recorded_at) VALUES (%s, %s::text::xid8, %s, %s, 'test.noted', 1, '{}', 'test', %s,
                   now(), now())""",
                [uuid7(), xid, stream, sequence, correlation_id],
            )
    assert [event.xid for event in selectors.events_by_correlation(correlation_id)] == [999, 1000]
    assert selectors.position_last().xid >= 1000
