"""Fresh accounts and instruments: what isolates one test from another."""

from datetime import datetime
from decimal import Decimal

import msgspec
import redis
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from accounts.services import account_open, accounts_lock, person_ensure
from audit.domain.types import Actor
from marketdata.domain.channels import quote_key
from marketdata.domain.types import PriceUpdate
from positions.domain.types import FillFact, Side
from positions.services import cash_post, fills_apply
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

BY = Actor.system("test")


def new_account(*deposits: tuple[str, str], base: str = "USD"):
    name = f"p-{uuid7()}"
    owner_id, _ = person_ensure(
        username=name, email="", first_name="", last_name="", password="", groups=[], is_staff=False
    )
    account_id = account_open(
        owner_id=owner_id, number=name[-12:], name="A", base_currency=base, is_paper=True, by=BY, at=clock.now()
    )
    for currency, amount in deposits:
        cash_post(
            account_id=account_id, currency=currency, amount=Decimal(amount), reason="deposit", by=BY, at=clock.now()
        )
    return account_id


def new_instrument(symbol: str | None = None, currency: str = "USD", calendar: str = "24/7"):
    model = apps.get_model("marketdata", "Instrument")
    return model.objects.create(
        symbol=symbol or f"T{uuid7().hex[-10:].upper()}",
        name="Test",
        asset_class="us_equity",
        exchange="TEST",
        currency=currency,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        calendar=calendar,
    )


def new_currency() -> str:
    return "".join(chr(ord("A") + digit % 26) for digit in uuid7().bytes[-8:])


def set_last(instrument, price: str, at: datetime | None = None):
    """Store a last known price, as the feed does; no live one."""
    at = at or clock.now()
    apps.get_model("marketdata", "Quote").objects.update_or_create(
        instrument=instrument, defaults={"last": Decimal(price), "executed_at": at, "received_at": at}
    )


def set_live(instrument, price: str, previous_close: str | None, at: datetime | None = None):
    """Publish a live price, as the feed does."""
    at = at or clock.now()
    update = PriceUpdate(
        symbol=instrument.symbol,
        bid=Decimal(price),
        ask=Decimal(price),
        bid_size=Decimal(1),
        ask_size=Decimal(1),
        last=Decimal(price),
        last_size=Decimal(1),
        executed_at=at,
        received_at=at,
        is_synthetic=False,
        is_open=True,
        previous_close=None if previous_close is None else Decimal(previous_close),
    )
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set(quote_key(instrument.symbol), msgspec.json.encode(update), ex=60)
    client.close()


def fill(account_id, instrument, side="buy", quantity="1", price="100", fee="0", at=None):
    return FillFact(
        execution_id=uuid7(),
        order_id=uuid7(),
        account_id=account_id,
        instrument_id=instrument.id,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        currency=instrument.currency,
        executed_at=at or clock.now(),
    )


def book(*fills, at=None):
    with transaction.atomic():
        locked = accounts_lock({each.account_id for each in fills})
        return fills_apply(fills=fills, locked=locked, at=at or clock.now())


def rows(sql: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def holding(account_id, instrument):
    return rows(
        "SELECT quantity, average_cost, realised_pnl, fees FROM positions_holding "
        "WHERE account_id = %s AND instrument_id = %s",
        account_id,
        instrument.id,
    )[0]


def balance(account_id, currency="USD"):
    return rows(
        "SELECT balance FROM positions_cashbalance WHERE account_id = %s AND currency = %s", account_id, currency
    )[0][0]
