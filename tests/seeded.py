"""One sound order and all that belongs to it; and how to break it, look, and put all back."""

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction

from accounts.services import accounts_lock, accounts_sequences_save
from audit.domain.types import NewEvent
from audit.services import events_append
from orders.domain import events
from orders.models import Execution, Order, VenueIntent
from positions.domain.types import FillFact, NewReservation, Side
from positions.services import fills_apply, reservations_open
from positions.tests.helpers import BY, new_account, new_instrument
from risk.models import Decision
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import invariants_check

D = Decimal


@dataclass
class Seeded:
    """One sound order, half filled, with its decision, intent, reservation, events, position and cash."""

    account_id: object
    instrument_id: object
    order_id: object
    execution_id: object
    client_order_id: str


def payload(kind, order_id, base, filled, **facts):
    common = {
        "order_id": str(order_id),
        "status": base,
        "base": base,
        "pending": "none",
        "is_unknown": False,
        "quantity": "10",
        "filled_quantity": filled,
        "leaves_quantity": str(10 - int(filled)),
        "average_price": None,
    }
    return kind(**common, **facts)


def accepted(order_id, symbol, at):
    return payload(
        events.OrderAccepted, order_id, "accepted", "0", symbol=symbol, side="buy", order_type="limit",
        time_in_force="gtc", limit_price="100", stop_price=None, client_order_id=str(order_id), source="api",
        venue="paper", worst_price="100", due_at=at.isoformat(),
    )  # fmt: skip


def events_of_order(order_id, execution_id, symbol, at):
    """Return what the order's stream tells: accepted, routed, acknowledged, and 4 of 10 filled."""
    reported = {"venue": "paper", "venue_order_id": "1", "exec_id": None, "text": ""}
    executed = reported | {"exec_id": str(execution_id)}
    return [
        accepted(order_id, symbol, at),
        payload(events.OrderRouted, order_id, "pending_new", "0", venue="paper", attempt=1),
        payload(events.OrderAcknowledged, order_id, "new", "0", **reported),
        payload(
            events.OrderExecuted, order_id, "partially_filled", "4", **executed, execution_id=str(execution_id),
            fill_quantity="4", fill_price="99", fee="1", currency="USD", position_quantity="4",
            position_average_cost="99", realised_pnl="0", cash="0", reserved_quantity="6",
        ),
    ]  # fmt: skip


def rows_create(found, at):
    """Create the order's own rows, risk's decision on it, its intent and its execution."""
    order = Order(
        id=found.order_id, account_id=found.account_id, instrument_id=found.instrument_id,
        client_order_id=found.client_order_id, command_hash=b"", side="buy", type="limit", time_in_force="gtc",
        quantity=D(10), limit_price=D(100), worst_price=D(100), base="partially_filled", filled_quantity=D(4),
        filled_value=D(396), average_price=D(99), venue="paper", source="api", correlation_id=found.order_id,
        event_sequence=4, placed_at=at, updated_at=at, routed_at=at, venue_order_id="1",
    )  # fmt: skip
    order.save(force_insert=True)
    Decision.objects.create(
        order_id=order.id, account_id=found.account_id, instrument_id=found.instrument_id, is_approved=True, inputs={},
        checks=[], reasons=[], decided_at=at,
    )  # fmt: skip
    VenueIntent.objects.create(
        order=order, venue="paper", kind="submit", state="settled", attempts=1, due_at=at, sent_at=at, settled_at=at
    )
    Execution.objects.create(
        id=found.execution_id, order=order, account_id=found.account_id, venue="paper",
        exec_id=str(found.execution_id), kind="trade", quantity=D(4), price=D(99), fee=D(1), executed_at=at,
        recorded_at=at,
    )  # fmt: skip


def money_move(found, locked, at):
    """Reserve what is left of the order and book what was filled."""
    ids = (found.order_id, found.account_id, found.instrument_id)
    owner_id = locked[found.account_id].owner_id
    reservations_open(reservations=[NewReservation(*ids, owner_id, Side.BUY, D(6), D(100), D(100), "USD")], at=at)
    fill = FillFact(found.execution_id, *ids, Side.BUY, D(4), D(99), D(1), "USD", at)
    fills_apply(fills=[fill], locked=locked, at=at)


def seed():
    account_id, instrument = new_account(("USD", "10000")), new_instrument()
    at, order_id, execution_id = clock.now(), uuid7(), uuid7()
    found = Seeded(account_id, instrument.id, order_id, execution_id, str(order_id))
    told = events_of_order(order_id, execution_id, instrument.symbol, at)
    with transaction.atomic():
        locked = accounts_lock([account_id])
        rows_create(found, at)
        money_move(found, locked, at)
        events_append(
            events=[
                NewEvent(
                    stream=f"order:{order_id}", payload=each, actor=BY, correlation_id=order_id, valid_at=at,
                    account_id=account_id, account_sequence=locked.take_sequence(account_id), sequence=number,
                )
                for number, each in enumerate(told, 1)
            ],
            at=at,
        )  # fmt: skip
        accounts_sequences_save(locked)
    return found


TABLES = ("audit_event", "orders_execution", "positions_ledgerline")


@contextmanager
def corrupted(seeded, sql):
    """Break rows as nobody may: as the owner, past the triggers; and put all back."""
    values = vars(seeded)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in sql.split(";"):
                cursor.execute(statement, values)
        yield
        transaction.set_rollback(True)


def hits(seeded, code, sentence):
    return [
        hit
        for finding in invariants_check([code], [seeded.account_id])
        if finding.invariant.sentence == sentence
        for hit in finding.hits
    ]
