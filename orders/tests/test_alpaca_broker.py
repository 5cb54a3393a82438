"""The Alpaca adapter keeps the contract of every adapter, and stays right when the venue or the line misbehaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from orders.brokers.alpaca.broker import AlpacaBroker
from orders.brokers.protocol import VenueGone, VenueOrder, VenueReplace
from orders.domain.commands import Schedule
from orders.domain.reports import ReportKind
from orders.domain.types import Algorithm, OrderType, TimeInForce
from orders.models import Execution, VenueRoute
from orders.tests.alpaca_venue import AlpacaScript
from orders.tests.broker_contract import BrokerContract
from orders.tests.venue import Venue
from orders.tests.venue_line import Line
from positions.domain.types import Side
from trading_portal.kernel import clock

pytestmark = pytest.mark.django_db
Opened = Callable[..., tuple[AlpacaScript, Line]]
Hosted = tuple[AlpacaScript, Venue]


class TestAlpacaContract(BrokerContract):
    @pytest.fixture
    def driver(self) -> Iterator[AlpacaScript]:
        script = AlpacaScript()
        yield script
        script.close()


@pytest.fixture
def opened() -> Iterator[Opened]:
    made: list[tuple[AlpacaScript, Line]] = []

    def start(**profile: Any) -> tuple[AlpacaScript, Line]:
        script = AlpacaScript(**profile)
        made.append((script, Line(script.adapter())))
        return made[-1]

    yield start
    for script, line in made:
        line.close()
        script.close()


def order(quantity: str = "10", limit: str | None = "90", **more: Any) -> VenueOrder:
    return VenueOrder(
        order_id=uuid4(), symbol="TEST", side=Side.BUY, order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce.GTC, quantity=Decimal(quantity), limit_price=Decimal(limit) if limit else None,
        **more,
    )  # fmt: skip


def rested(line: Line, **fields: Any) -> VenueOrder:
    sent = order(**fields)
    line.submit(sent)
    line.until_kinds(sent, "new")
    return sent


def posts(script: AlpacaScript) -> list[dict[str, Any]]:
    return [body for method, path, body in script.server.requests if (method, path) == ("POST", "/orders")]


def test_a_venue_that_is_too_busy_is_asked_again_and_the_order_works_once(opened: Opened):
    script, line = opened()
    for _ in range(3):
        script.server.fault("POST", "orders", (429, {"code": 42910000, "message": "too many requests"}))
    rested(line)
    assert len(posts(script)) == 4
    assert len(script.server.orders) == 1


def test_a_venue_that_stays_too_busy_leaves_doubt_and_rejects_nothing(opened: Opened):
    script, line = opened(busy_seconds=0.1)
    for _ in range(20):
        script.server.fault("POST", "orders", (429, {"code": 42910000, "message": "too many requests"}))
    sent = order()
    with pytest.raises(OSError, match="too busy"):
        line.submit(sent)
    assert line.kinds(sent) == []


def test_a_gateways_error_page_is_no_answer_of_the_venue(opened: Opened):
    script, line = opened()
    for status in (403, 422, 504):
        script.server.fault("POST", "orders", (status, "<html>go away</html>"))
        sent = order()
        with pytest.raises(OSError, match=str(status)):
            line.submit(sent)
        assert line.kinds(sent) == []
    assert len(posts(script)) == 3


def test_a_key_that_is_not_accepted_ends_the_conversation(opened: Opened):
    script, line = opened()
    script.server.fault("POST", "orders", (403, {"code": 40110000, "message": "request is not authorized"}))
    sent = order()
    with pytest.raises(VenueGone, match="key"):
        line.submit(sent)
    assert line.kinds(sent) == []
    stranger = AlpacaScript()
    profile = stranger.profile.__class__(**{**_fields(stranger.profile), "secret_key": "wrong"})
    with pytest.raises(VenueGone):
        Line(AlpacaBroker(stranger.venue, profile))
    stranger.close()
    assert "wrong" not in repr(profile)


def _fields(profile: Any) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in profile.__dataclass_fields__}


def test_an_order_counts_as_never_heard_of_only_once_it_cannot_arrive_any_more(opened: Opened):
    script, line = opened(settle_seconds=0.4)
    script.lose_message()
    sent, never_sent = order(), order()
    line.attempt(lambda: line.submit(sent))
    assert [report.order_id for report in line.query(sent, never_sent)] == [never_sent.order_id]
    time.sleep(0.45)
    assert {report.order_id for report in line.query(sent, never_sent)} == {sent.order_id, never_sent.order_id}


def test_amounts_travel_as_text_to_the_last_digit(opened: Opened):
    script, line = opened()
    rested(line, quantity="0.1234567891", limit="90.01")
    (body,) = posts(script)
    assert (body["qty"], body["limit_price"]) == ("0.1234567891", "90.01")


def test_every_type_of_order_is_said_in_the_venues_words(opened: Opened):
    script, line = opened()
    stop = replace(order(limit=None), order_type=OrderType.STOP, stop_price=Decimal("95.5"))
    trail = replace(order(limit=None), order_type=OrderType.TRAILING_STOP, trail_percent=Decimal("1.5"))
    auction = replace(order(), time_in_force=TimeInForce.CLS)
    early = replace(order(), time_in_force=TimeInForce.DAY, extended_hours=True)
    for each in (stop, trail, auction, early):
        line.submit(each)
    said = [
        {key: body[key] for key in body if key not in ("symbol", "qty", "side", "client_order_id")}
        for body in posts(script)
    ]
    assert said == [
        {"type": "stop", "time_in_force": "gtc", "stop_price": "95.5"},
        {"type": "trailing_stop", "time_in_force": "gtc", "trail_percent": "1.5"},
        {"type": "limit", "time_in_force": "cls", "limit_price": "90"},
        {"type": "limit", "time_in_force": "day", "limit_price": "90", "extended_hours": True},
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"expires_at": clock.now() + timedelta(days=1)}, "GOOD_TILL_DATE_NOT_SUPPORTED"),
        ({"schedule": Schedule(algorithm=Algorithm.TWAP)}, "SCHEDULE_NOT_SUPPORTED"),
    ],
)
def test_what_the_venue_has_no_words_for_is_rejected_without_being_sent(opened: Opened, more, why):
    script, line = opened()
    sent = order(**more)
    line.submit(sent)
    line.until_kinds(sent, "rejected")
    assert line.of(sent)[0].reason == why
    assert posts(script) == []


def test_a_replace_names_only_what_changes(opened: Opened):
    script, line = opened()
    resting = rested(line)
    asked = VenueReplace(resting.order_id, uuid4(), Decimal(10), TimeInForce.GTC, limit_price=Decimal("90.5"))
    line.replace(asked)
    line.until_kinds(resting, "new", "replaced")
    body = next(body for method, _, body in script.server.requests if method == "PATCH")
    assert body == {"limit_price": "90.5", "client_order_id": str(asked.request_id)}
    first, second = [report.venue_order_id for report in line.of(resting)]
    assert first != second


def test_a_replace_whose_answer_is_lost_is_found_and_not_asked_twice(opened: Opened):
    script, line = opened(request_seconds=0.3)
    resting = rested(line)
    script.server.is_deaf = True
    script.server.faults.append(lambda method, _: 0.6 if method == "PATCH" else None)
    asked = VenueReplace(resting.order_id, uuid4(), Decimal(12), TimeInForce.GTC, limit_price=Decimal(90))
    line.attempt(lambda: line.replace(asked))
    assert line.doubts
    script.server.is_deaf = False
    assert [r.kind.value for r in line.query(resting)] == ["new", "replaced"]
    line.replace(asked)
    line.until_once(resting, "new", "replaced")
    assert len([method for method, _, _ in script.server.requests if method == "PATCH"]) == 1


def test_an_end_is_told_after_the_fills_that_the_stream_left_out(opened: Opened):
    script, line = opened()
    resting = rested(line)
    script.server.is_deaf = True
    script.fill(resting, "4", "89.5")
    script.server.is_deaf = False
    script.cancel_unasked(resting)
    line.until_kinds(resting, "new", "trade", "canceled")
    assert line.filled(resting) == 4


def test_an_end_waits_until_the_venues_list_of_trades_has_caught_up(opened: Opened):
    script, line = opened(sweep_seconds=0.05)
    resting = rested(line)
    script.server.is_deaf = script.server.hides_activities = True
    script.fill(resting, "4", "89.5")
    script.server.is_deaf = False
    script.cancel_unasked(resting)
    time.sleep(0.3)
    assert line.copied(resting)[1:] == []
    script.server.hides_activities = False
    line.until(lambda: [r.kind.value for r in line.copied(resting)] == ["new", "trade", "canceled"])


def test_a_trade_that_both_of_the_venues_records_tell_is_booked_once_whatever_they_call_it(opened: Opened):
    script, line = opened()
    resting = rested(line)
    script.server.is_deaf = True
    script.fill(resting, "4", "89.5")
    script.server.is_deaf = False
    assert [r.kind.value for r in line.query(resting)] == ["new", "trade"]
    late = {**script.server.told[-1], "execution_id": str(uuid4())}
    script.server.run(lambda: script.server.send(late))
    script.fill(resting, "6", "89.4")
    line.until(lambda: line.filled(resting) == 10)
    assert line.kinds(resting) == ["new", "trade", "trade"]


def test_a_pause_and_its_end_are_told_as_what_they_are(opened: Opened):
    script, line = opened()
    resting = rested(line)
    standing = script.server.standing(resting)
    for event in ("suspended", "new", "done_for_day", "new", "pending_cancel", "stopped", "calculated"):
        script.server.run(lambda event=event: script.server.tell(event, {**standing, "status": event}))
    line.until(lambda: len(line.of(resting)) == 7)
    told = [(r.kind.value, r.restatement and r.restatement.value) for r in line.of(resting)[1:]]
    assert told == [
        ("suspended", None), ("restated", "release"), ("done_for_day", None), ("restated", "renewal"),
        ("stopped", None), ("calculated", None),
    ]  # fmt: skip


def test_an_order_that_waits_for_the_market_to_open_is_acknowledged(opened: Opened):
    script, line = opened()
    script.server.status_when_taken = "accepted"
    heard, asked = order(), order()
    line.submit(heard)
    line.until_kinds(heard, "new")
    script.server.is_deaf = True
    line.submit(asked)
    assert [report.kind.value for report in line.query(asked)] == ["new"]
    script.server.is_deaf = False
    for each in (heard, asked):
        script.server.run(
            lambda each=each: script.server.tell("new", {**script.server.standing(each), "status": "new"})
        )
        script.fill(each, "10", "89.5")
        line.until(lambda each=each: line.filled(each) == 10)
        assert line.once(each) == ["new", "trade"]


def test_an_expiry_is_told_by_the_stream_or_when_asked(opened: Opened):
    script, line = opened()
    heard, missed = rested(line), rested(line)
    script.server.run(lambda: script.server.end(script.server.standing(heard), "expired"))
    line.until_kinds(heard, "new", "expired")
    script.server.is_deaf = True
    script.server.run(lambda: script.server.end(script.server.standing(missed), "expired"))
    assert [r.kind.value for r in line.query(missed)] == ["new", "expired"]


def test_an_update_that_cannot_be_read_does_not_stop_the_stream(opened: Opened):
    script, line = opened()
    resting = rested(line)
    for broken in ({"event": "fill"}, {"event": "fill", "order": {"id": None}}, {"event": "new", "order": []}):
        script.server.run(lambda broken=broken: script.server.send(broken))
    script.fill(resting, "10", "89.5")
    line.until(lambda: line.filled(resting) == 10)


def test_a_fill_of_an_order_that_is_not_ours_is_told_for_a_person_to_see(opened: Opened):
    script, line = opened()
    foreign = {"symbol": "TEST", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
    made = script.server.run(lambda: script.server._make({**foreign, "client_order_id": "by hand"}))
    script.server.run(lambda: script.server._trade(made, "5", "90"))
    line.until(lambda: len(line.reports) == 1)
    assert line.reports[0].kind is ReportKind.TRADE
    assert line.reports[0].venue_order_id == made["id"]


def test_a_large_batch_is_carried_side_by_side_and_asked_about_at_once(opened: Opened):
    script, line = opened()
    orders = [order("1") for _ in range(60)]
    line.submit(*orders)
    line.until(lambda: len(line.reports) == 60)
    script.server.is_deaf = True
    for each in orders[:30]:
        script.fill(each, "1", "89.5")
    before = len(script.server.requests)
    told = line.query(*orders)
    assert len(script.server.requests) - before == 2  # the list of orders, and one page of trades
    assert len(told) == 90
    assert set(line.run(line.adapter.open_orders())) == {each.order_id for each in orders[30:]}


@pytest.fixture
def hosted() -> Iterator[Hosted]:
    """Give a scripted account that fills at once, and orders of ours that are led there."""
    script, venue = AlpacaScript(), Venue()
    venue.name = script.venue
    script.server.symbols.add(venue.symbol)
    script.server.fills_at_once = "100.1"
    for account_id in venue.accounts:
        VenueRoute.objects.create(account_id=account_id, venue=venue.name)
    yield script, venue
    venue.close()
    script.close()


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(hosted: Hosted, tmp_path: Path):
    script, venue = hosted
    orders = venue.place(3)
    (tmp_path / "venue.after_send").write_text("0")
    process = subprocess.run(
        [sys.executable, "-m", "orders.tests.alpaca_host_process", venue.name, script.server.address],
        env={**os.environ, "PORTAL_FAILPOINTS": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    orders += venue.place(3)
    venue.expire_lease()
    venue.host(script.adapter)
    venue.until_base(orders, "filled")
    assert {order["client_order_id"] for order in script.server.orders.values()} == {str(each) for each in orders}
    assert len(script.server.orders) == len(script.server.fills) == 6
    executed = Execution.objects.filter(order_id__in=orders).values_list("exec_id", flat=True)
    assert sorted(executed) == sorted(fill["id"].rpartition("::")[2] for fill in script.server.fills)


def test_the_stream_is_followed_again_after_each_of_many_cuts(opened: Opened):
    script, line = opened()
    resting = rested(line, quantity="10")
    for number in range(1, 6):
        script.server.drop_lines()
        script.fill(resting, "2", f"89.{number}")
        line.until(lambda number=number: line.filled(resting) == 2 * number)
    assert line.kinds(resting) == ["new"] + ["trade"] * 5
