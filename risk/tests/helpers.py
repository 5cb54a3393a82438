"""Fresh people, accounts, instruments and prices: what isolates one test from another."""

from datetime import timedelta
from decimal import Decimal
from functools import cache
from uuid import UUID

import msgspec
import redis
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from accounts.services import account_open, accounts_lock, person_ensure
from audit.domain.types import Actor
from audit.selectors import events_of_stream
from marketdata.domain.channels import quote_key
from marketdata.domain.types import PriceUpdate
from marketdata.selectors import instruments_by_id
from positions.domain.types import NewReservation, Side
from positions.services import cash_post, reservations_open
from risk.domain.types import OrderIntent
from risk.models import Limit
from risk.services import decisions_record, firm_defaults_ensure, orders_check
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

SYSTEM = Actor.system("test")
CASH = "1000000"


@cache
def _client():
    return redis.Redis.from_url(settings.REDIS_URL)


def firm():
    """Give the firm its limits, once."""
    firm_defaults_ensure(at=clock.now())


def new_person(*groups: str, is_staff: bool = False) -> UUID:
    return person_ensure(
        username=f"r-{uuid7()}",
        email="",
        first_name="",
        last_name="",
        password="",
        groups=groups,
        is_staff=is_staff,
    )[0]


@cache
def _anybody() -> UUID:
    """Make one owner for all accounts whose owner does not matter: hashing a password takes its time."""
    return new_person()


def officer() -> Actor:
    return Actor.user(new_person("Risk officers", is_staff=True))


def new_account(cash: str = CASH, base: str = "USD", owner_id: UUID | None = None) -> UUID:
    at = clock.now()
    account_id = account_open(
        owner_id=owner_id or _anybody(),
        number=f"R{uuid7().hex[-14:]}",
        name="A",
        base_currency=base,
        is_paper=True,
        by=SYSTEM,
        at=at,
    )
    if Decimal(cash):
        cash_post(account_id=account_id, currency=base, amount=Decimal(cash), reason="deposit", by=SYSTEM, at=at)
    return account_id


def new_instrument(price: str | None = "100", currency: str = "USD", symbol: str = "", **changes):
    """Make an instrument that trades round the clock, with a live price."""
    values = {
        "symbol": symbol or f"R{uuid7().hex[-12:].upper()}",
        "name": "Test",
        "asset_class": "us_equity",
        "exchange": "TEST",
        "currency": currency,
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal(1),
        "calendar": "24/7",
    }
    row = apps.get_model("marketdata", "Instrument").objects.create(**(values | changes))
    instrument = instruments_by_id([row.id])[row.id]
    if price is not None:
        set_live(instrument, price)
    return instrument


def set_live(instrument, price: str, *, age: float = 0, bid: str | None = None, ask: str | None = None) -> None:
    received_at = clock.now() - timedelta(seconds=age)
    update = PriceUpdate(
        symbol=instrument.symbol,
        bid=Decimal(bid or price),
        ask=Decimal(ask or price),
        bid_size=Decimal(1),
        ask_size=Decimal(1),
        last=Decimal(price),
        last_size=Decimal(1),
        executed_at=received_at,
        received_at=received_at,
        is_synthetic=False,
        is_open=True,
    )
    _client().set(quote_key(instrument.symbol), msgspec.json.encode(update), ex=120)


def no_live_price(instrument) -> None:
    _client().delete(quote_key(instrument.symbol))


def set_close(instrument, price: str, age: float = 60) -> None:
    at = clock.now() - timedelta(seconds=age)
    apps.get_model("marketdata", "Quote").objects.update_or_create(
        instrument_id=instrument.id, defaults={"last": Decimal(price), "executed_at": at, "received_at": at}
    )


def hold(account_id: UUID, instrument, quantity: str) -> None:
    at = clock.now()
    apps.get_model("positions", "Holding").objects.create(
        account_id=account_id,
        instrument_id=instrument.id,
        quantity=Decimal(quantity),
        cost=abs(Decimal(quantity)) * 100,
        average_cost=Decimal(100),
        day=at.date(),
        opened_at=at,
        changed_at=at,
    )


def order(account_id: UUID, instrument, quantity="1", price: str | None = "100", side="buy", **changes) -> OrderIntent:
    values = {
        "order_id": uuid7(),
        "account_id": account_id,
        "owner_id": account_id,
        "instrument": instrument,
        "side": side,
        "order_type": "market" if price is None else "limit",
        "time_in_force": "day",
        "quantity": Decimal(quantity),
        "limit_price": None if price is None else Decimal(price),
        "stop_price": None,
        "placed_at": clock.now(),
        "base_currency": "USD",
        "venue": "paper",
    }
    return OrderIntent(**(values | changes))


def decide(*intents, at=None):
    """Check in a transaction that stores nothing."""
    with transaction.atomic():
        locked = accounts_lock({intent.account_id for intent in intents})
        return orders_check(intents=intents, locked=locked, at=at or clock.now())


def place(*intents, at=None):
    """Check, reserve and record in one transaction, as placing an order does."""
    at = at or clock.now()
    with transaction.atomic():
        locked = accounts_lock({intent.account_id for intent in intents})
        decisions = orders_check(intents=intents, locked=locked, at=at)
        reservations_open(reservations=[reservation(each) for each in decisions if each.approved], at=at)
        decisions_record(decisions=decisions, at=at)
    return decisions


def reservation(decision) -> NewReservation:
    intent = decision.intent
    return NewReservation(
        order_id=intent.order_id,
        account_id=intent.account_id,
        instrument_id=intent.instrument.id,
        owner_id=intent.owner_id,
        side=Side(intent.side),
        quantity_left=intent.quantity,
        price=decision.worst_price,
        limit_price=intent.limit_price,
        currency=intent.instrument.currency,
    )


def codes(decision) -> set[str]:
    return {why.code for why in decision.reasons}


def limit_row(rule: str, value: str, account_id=None, instrument=None, **changes) -> Limit:
    """Put a limit there, as if it had always been."""
    return Limit.objects.create(
        rule=rule,
        account_id=account_id,
        instrument_id=instrument.id if instrument else None,
        value=Decimal(value),
        changed_at=clock.now(),
        **changes,
    )


def events(stream: str) -> list[str]:
    return [event.type for event in events_of_stream(stream)]


def rows(sql: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
