"""The paper broker keeps the contract of every adapter, and some promises of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection

from marketdata.domain.channels import PRICES, quote_key
from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.store import PaperStore
from orders.brokers.protocol import VenueGone, VenueOrder
from orders.domain.reports import ReportKind
from orders.models import PaperOrder, PaperReport
from orders.tests.broker_contract import BrokerContract
from orders.tests.paper import AT_ONCE, PaperDriver, price
from orders.tests.venue_line import Line
from positions.tests.helpers import new_instrument
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db
BIDS, ASKS = [("99.9", "100")], [("100.1", "100")]


class TestPaperContract(BrokerContract):
    @pytest.fixture
    def driver(self) -> PaperDriver:
        return PaperDriver()


Opened = Callable[..., tuple[PaperDriver, Line]]


@pytest.fixture
def opened() -> Iterator[Opened]:
    lines: list[Line] = []

    def start(**options: Any) -> tuple[PaperDriver, Line]:
        driver = options.pop("driver", None) or PaperDriver(**options)
        lines.append(Line(driver.adapter()))
        return driver, lines[-1]

    yield start
    for line in lines:
        line.close()


def order(side: str, quantity: str, limit: str | None = None, tif: str = "gtc", symbol: str = "TEST") -> VenueOrder:
    return VenueOrder(
        order_id=uuid4(), symbol=symbol, side=side, order_type="limit" if limit else "market", time_in_force=tif,
        quantity=Decimal(quantity), limit_price=Decimal(limit) if limit else None,
    )  # fmt: skip


def typed(sent: VenueOrder) -> VenueOrder:
    return msgspec.convert(msgspec.to_builtins(sent), VenueOrder)


def test_without_a_price_a_market_order_is_rejected_and_a_limit_order_rests(opened: Opened):
    driver, line = opened()
    market, limited = typed(order("buy", "1")), typed(order("buy", "1", "101"))
    line.submit(market, limited)
    line.until_kinds(market, "rejected")
    assert line.of(market)[0].reason == "NO_MARKET"
    line.until_kinds(limited, "new")
    driver.show(bids=BIDS, asks=ASKS)
    line.until_kinds(limited, "new", "trade")


def test_a_price_older_than_five_seconds_is_no_price(opened: Opened):
    driver, line = opened()
    old = price("TEST", bids=BIDS, asks=ASKS, at=clock.now() - timedelta(seconds=6))
    driver.market.prices["TEST"] = old
    market = typed(order("buy", "1"))
    line.submit(market)
    line.until_kinds(market, "rejected")


def test_an_order_works_for_a_while_before_it_fills(opened: Opened):
    driver, line = opened(profile=PaperProfile(latency=0.02, resting=0.15))
    driver.show(bids=BIDS, asks=ASKS)
    sent, sent_at = typed(order("buy", "1")), time.monotonic()
    line.submit(sent)
    line.until_kinds(sent, "new")
    assert time.monotonic() - sent_at >= 0.02
    line.until_kinds(sent, "new", "trade")
    assert time.monotonic() - sent_at >= 0.17


def test_fees_are_charged_on_each_fill(opened: Opened):
    driver, line = opened(profile=PaperProfile(0, 0, fee_rate=Decimal("0.001"), fee_per_unit=Decimal("0.005")))
    driver.show(bids=BIDS, asks=ASKS)
    sent = typed(order("buy", "10"))
    line.submit(sent)
    line.until_kinds(sent, "new", "trade")
    assert line.of(sent)[1].fee == Decimal("1.051")


def test_a_day_order_expires_at_the_close_and_a_gtc_order_stays(opened: Opened):
    _, line = opened(day_ends_at=clock.now() + timedelta(seconds=0.3))
    day, stays = typed(order("buy", "1", "90", "day")), typed(order("buy", "1", "90", "gtc"))
    line.submit(day, stays)
    line.until_kinds(day, "new", "expired")
    assert line.kinds(stays) == ["new"]


def test_a_day_order_expires_even_when_its_close_passed_while_nobody_was_there(opened: Opened):
    ends_at = clock.now() + timedelta(seconds=1.5)
    driver, line = opened(day_ends_at=ends_at)
    day = typed(order("buy", "1", "90", "day"))
    line.submit(day)
    line.until_kinds(day, "new")
    line.run(line.adapter.stop())
    assert clock.now() < ends_at, "too slow to leave before the close"
    while clock.now() <= ends_at:
        time.sleep(0.02)
    _, again = opened(driver=driver)
    driver.show(bids=BIDS, asks=[("80", "100")])
    again.until_kinds(day, "expired")


def test_an_older_broker_of_the_same_venue_can_write_nothing_any_more(opened: Opened):
    driver, old = opened()
    resting = typed(order("buy", "10", "95"))
    old.submit(resting)
    old.until_kinds(resting, "new")
    stopped = driver.broker
    assert stopped
    _, new = opened(driver=driver)
    cheap = price("TEST", bids=[("93", "100")], asks=[("94", "100")])
    stopped.tap.keep([cheap])
    old.until(lambda: not stopped.is_alive)
    driver.show(bids=[("93", "100")], asks=[("94", "100")])
    new.until_kinds(resting, "trade")
    assert old.kinds(resting) == ["new"]
    assert PaperReport.objects.filter(order_id=resting.order_id, kind="trade").count() == 1
    with pytest.raises(VenueGone):
        old.submit(typed(order("buy", "1")))


def test_a_lost_database_connection_loses_and_doubles_nothing(opened: Opened):
    driver, line = opened()
    driver.show(bids=[("99", "1000000")], asks=[("101", "1000000")])
    orders = [typed(order("buy", "1")) for _ in range(300)]
    for start in range(0, 300, 10):
        line.submit(*orders[start : start + 10])
        if start in (50, 150, 250):
            _end_connections_of_brokers()
    line.until(lambda: len({r.exec_id for r in line.reports}) >= 600)
    for sent in orders:
        assert line.filled(sent) == 1
    ids = [sent.order_id for sent in orders]
    connection.close()
    assert PaperReport.objects.filter(order_id__in=ids).count() == 600
    assert PaperOrder.objects.filter(order_id__in=ids, state="filled", filled_quantity=1).count() == 300


def test_a_start_that_failed_can_be_tried_again(monkeypatch: pytest.MonkeyPatch):
    driver = PaperDriver()
    driver.show(bids=BIDS, asks=ASKS)
    adapter = driver.adapter()
    with monkeypatch.context() as broken:
        broken.setattr(PaperStore, "open_session", _database_away)
        with pytest.raises(OperationalError):
            asyncio.run(adapter.start(lambda _: None))
    line = Line(adapter)
    sent = typed(order("buy", "1"))
    line.submit(sent)
    line.until_kinds(sent, "new", "trade")
    line.close()


def _database_away(*_: object) -> None:
    raise OperationalError("the database is away")


def _end_connections_of_brokers() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query ~ 'orders_paper|COMMIT' AND pid <> pg_backend_pid()"
        )


def test_it_trades_on_the_prices_that_the_feed_publishes(opened: Opened):
    symbol = new_instrument().symbol
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set(quote_key(symbol), msgspec.json.encode(price(symbol, bids=BIDS, asks=ASKS)), ex=5)
    line = Line(PaperBroker(f"paper-{uuid4().hex[:8]}", AT_ONCE))
    try:
        bought, day = typed(order("buy", "10", symbol=symbol)), typed(order("buy", "1", "90", "day", symbol=symbol))
        line.submit(bought, day)
        line.until_kinds(bought, "new", "trade")
        line.until_kinds(day, "new")
        assert PaperOrder.objects.get(order_id=day.order_id).expires_at is not None
        line.until(lambda: client.pubsub_numsub(PRICES)[0][1] > 0)
        client.publish(PRICES, msgspec.json.encode([price(symbol, bids=[("80", "1")], asks=[("85", "5")])]))
        line.until_kinds(day, "new", "trade")
        assert [r.price for r in line.of(day) if r.kind is ReportKind.TRADE] == [85]
    finally:
        line.close()
        client.close()
