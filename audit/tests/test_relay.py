"""The relay hands on every committed event at least once, in order, and never skips one."""

import threading
import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from django.db import connection, transaction

from audit import selectors, services
from audit.domain.consumers import Consumer
from audit.domain.types import EventRecord
from audit.models import Cursor, ParkedEvent
from audit.relay import Relay
from audit.tests.test_log import append, new_event
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


class Reader:
    """Collect what a consumer was handed, of this test's own stream."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.notes: list[str] = []

    def __call__(self, events: Sequence[EventRecord]) -> None:
        self.notes += [event.payload["note"] for event in events if event.stream == self.stream]


@pytest.fixture
def stream() -> str:
    return f"test:{uuid7()}"


@pytest.fixture
def run_relay():
    running: list[tuple[Relay, threading.Thread]] = []

    def start(*consumers: Consumer) -> Relay:
        relay = Relay(consumers, beat=lambda: None)
        thread = threading.Thread(target=relay.run)
        thread.start()
        running.append((relay, thread))
        return relay

    yield start
    for relay, thread in running:
        relay.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def start_here(name: str) -> None:
    last = selectors.position_last()
    services.cursor_reset(consumer=name, xid=last.xid, event_id=last.id, at=clock.now())


def eventually(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_consumer_gets_what_is_committed_while_it_runs(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    run_relay(Consumer(name, reader))
    append(new_event(stream, "one"))
    append(new_event(stream, "two"))
    eventually(lambda: reader.notes == ["one", "two"])
    eventually(lambda: selectors.page_to_relay(name, 10) is None)


def test_a_consumer_is_handed_only_the_types_it_wants_and_moves_past_the_others(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    wanted = new_event(stream, "").payload.TYPE
    run_relay(Consumer(name, reader, types=frozenset((wanted,))))
    append(new_event(stream, "one"))
    eventually(lambda: reader.notes == ["one"])
    other, deaf = Reader(stream), str(uuid7())
    start_here(deaf)
    run_relay(Consumer(deaf, other, types=frozenset(("another.type",))))
    append(new_event(stream, "two"))
    eventually(lambda: selectors.page_to_relay(deaf, 10) is None and reader.notes == ["one", "two"])
    assert other.notes == []


def test_a_consumer_is_handed_only_the_accounts_it_wants_and_asked_anew_for_every_page(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    mine, others = uuid7(), uuid7()
    wanted: set[UUID] = set()
    run_relay(Consumer(name, reader, accounts=lambda found: wanted.intersection(found)))
    append(new_event(stream, "nobody looks", account_id=mine, account_sequence=1))
    eventually(lambda: selectors.page_to_relay(name, 10) is None)
    wanted.add(mine)
    append(new_event(stream, "of another", account_id=others, account_sequence=1))
    append(new_event(stream, "of none"))
    append(new_event(stream, "looked at", account_id=mine, account_sequence=2))
    eventually(lambda: reader.notes == ["looked at"])


def test_an_event_that_commits_late_is_not_missed_and_reading_past_the_horizon_would_miss_it(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    holding, release = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            services.events_append(events=[new_event(stream, "early, committed late")], at=clock.now())
            holding.set()
            release.wait(10)
        connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert holding.wait(10)
    append(new_event(stream + "-other"), new_event(stream, "late, committed early", sequence=2))
    naive = [event.payload["note"] for event in selectors.events_of_stream(stream)]
    assert naive == ["late, committed early"], "a reader without the horizon moves on past the open transaction"
    assert selectors.page_to_relay(name, 10) is None
    run_relay(Consumer(name, reader))
    release.set()
    slow.join()
    eventually(lambda: reader.notes == ["early, committed late", "late, committed early"])


def test_a_consumer_goes_on_from_its_cursor(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    append(new_event(stream, "before"))
    first = run_relay(Consumer(name, reader))
    eventually(lambda: reader.notes == ["before"])
    eventually(lambda: selectors.page_to_relay(name, 10) is None)
    first.stop()
    append(new_event(stream, "while away"))
    run_relay(Consumer(name, reader))
    eventually(lambda: reader.notes == ["before", "while away"])


def test_a_poison_event_is_parked_and_its_neighbours_go_on(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)

    def choke(events: Sequence[EventRecord]) -> None:
        if any(event.payload.get("note") == "poison" for event in events):
            raise ValueError("I cannot read this.")
        reader(events)

    with transaction.atomic():
        services.events_append(events=[new_event(stream, note) for note in ("a", "poison", "b")], at=clock.now())
    run_relay(Consumer(name, choke))
    eventually(lambda: reader.notes == ["a", "b"])
    parked = ParkedEvent.objects.get(consumer=name)
    assert "I cannot read this." in parked.error


def test_a_cursor_never_moves_back_by_itself_but_can_be_set_back(stream):
    name = str(uuid7())
    append(new_event(stream, "one"))
    append(new_event(stream, "two"))
    one, two = selectors.events_of_stream(stream)
    services.cursor_move(consumer=name, to=two.position, at=clock.now())
    services.cursor_move(consumer=name, to=one.position, at=clock.now())
    assert Cursor.objects.get(consumer=name).event_id == two.id
    services.cursor_reset(consumer=name, xid=one.xid, event_id=one.id, at=clock.now())
    assert Cursor.objects.get(consumer=name).event_id == one.id


def test_the_listener_survives_a_lost_connection(stream, run_relay):
    reader, name = Reader(stream), str(uuid7())
    start_here(name)
    run_relay(Consumer(name, reader))
    append(new_event(stream, "before"))
    eventually(lambda: reader.notes == ["before"])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
        )
        assert cursor.rowcount >= 1
    append(new_event(stream, "after"))
    eventually(lambda: reader.notes == ["before", "after"])
