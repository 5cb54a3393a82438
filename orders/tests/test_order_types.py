"""Placing every type of order: what it reserves, when it goes to its venue, what it becomes, and who may sell short."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.services import account_configure
from orders import services
from orders.brokers.registry import venue_fees
from orders.domain.commands import OrderFields
from orders.domain.facts import SMART_VENUE
from orders.domain.parsing import parse_order
from orders.domain.types import OrderType, TimeInForce
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.selectors import account_summary, positions_list
from positions.tests.helpers import BY, new_instrument, set_last, set_live
from risk.tests.helpers import limit_row
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

D = Decimal
FRIDAY = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def desk():
    return Desk()


def listed(desk, **flags):
    """Give the desk's instrument flags."""
    type(desk.instrument).objects.filter(id=desk.instrument.id).update(**flags)


def codes(placement):
    return {why.code for why in placement.refusal}


def place(desk, at=None, **changes):
    return desk.place_all([desk.command(**changes)], at)[0]


def held(order_id):
    """Return what a reservation holds: units, the price of one, and whether it sleeps."""
    found = rows("SELECT quantity_left, price, is_dormant FROM positions_reservation WHERE order_id = %s", order_id)
    return found[0] if found else None


STOP = {"order_type": OrderType.STOP, "limit_price": None, "quantity": "10"}
TRAIL = {"order_type": OrderType.TRAILING_STOP, "limit_price": None, "quantity": "10"}


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({**STOP, "stop_price": D(105)}, "115.5"),
        ({**STOP, "order_type": OrderType.STOP_LIMIT, "stop_price": D(105), "limit_price": "106"}, "106"),
        ({**TRAIL, "trail_price": D(5)}, "115.5"),
        ({**TRAIL, "trail_percent": D("2.5")}, "112.75"),
    ],
    ids=["stop", "stop_limit", "trail_price", "trail_percent"],
)
def test_a_stop_holds_what_it_may_cost_beyond_its_trigger_and_says_what_it_is(desk, changes, price):
    placement = place(desk, **changes)
    assert placement.status == "accepted", placement.refusal
    assert held(placement.order.id) == (10, D(price), True)
    order = desk.order(placement.order.id)
    assert order == placement.order
    (message,) = desk.claim()
    told = (message.order_type, message.stop_price, message.limit_price, message.trail_price, message.trail_percent)
    assert told == (order.order_type, order.stop_price, order.limit_price, order.trail_price, order.trail_percent)


@pytest.mark.parametrize(
    ("side", "stop"), [(Side.BUY, "100"), (Side.BUY, "99"), (Side.SELL, "100"), (Side.SELL, "101")]
)
def test_a_stop_on_the_wrong_side_of_the_market_is_refused(desk, side, stop):
    assert "STOP_WRONG_SIDE" in codes(place(desk, **STOP, side=side, stop_price=D(stop)))


def test_a_resting_stop_keeps_nobody_from_trading_on_the_other_side(desk):
    desk.sent(**STOP, stop_price=D(150))
    desk.record(desk.trade(desk.working(quantity="3"), "3"))
    sale = place(desk, side=Side.SELL, order_type=OrderType.MARKET, quantity="3", time_in_force=TimeInForce.DAY)
    assert sale.status == "accepted", sale.refusal


def test_an_amount_buys_as_much_as_it_pays_for_at_the_touch(desk):
    listed(desk, is_fractionable=True)
    desk.show("30")
    command = desk.command(order_type=OrderType.MARKET, quantity="0", notional=D(100), time_in_force=TimeInForce.DAY)
    (placement,) = services.orders_place(commands=[command], at=clock.now(), venue=desk.venue)
    assert placement.status == "accepted", placement.refusal
    order = desk.order(placement.order.id)
    assert (order.quantity, order.notional) == (D("3.333333333"), D(100))
    assert held(order.id) == (D("3.333333333"), D(33), False)
    assert [message.quantity for message in desk.claim()] == [D("3.333333333")]
    again = services.orders_place(commands=[command], at=clock.now(), venue=desk.venue)[0]
    assert (again.is_replay, again.order.quantity) == (True, order.quantity)


@pytest.mark.parametrize(("age", "code"), [(None, "PRICE_MISSING"), (6, "PRICE_STALE")])
def test_an_amount_without_a_fresh_price_is_refused_and_kept(desk, age, code):
    share = new_instrument(f"N{uuid7().hex[-10:].upper()}")
    type(share).objects.filter(id=share.id).update(is_fractionable=True)
    at = clock.now()
    if age is not None:
        set_live(share, "100", None)
        at += timedelta(seconds=age)
    given = {"quantity": "0", "notional": D(100), "time_in_force": TimeInForce.DAY, "order_type": OrderType.MARKET}
    command = desk.command(symbol=share.symbol, **given)
    (placement,) = services.orders_place(commands=[command], at=at, venue=desk.venue)
    assert (placement.status, codes(placement)) == ("refused", {code})
    order = desk.order(placement.order.id)
    assert (order.status, order.quantity, order.notional) == ("rejected", 0, 100)


def test_an_amount_that_buys_nothing_is_refused(desk):
    listed(desk, is_fractionable=True, lot_size=D("0.1"))
    given = {"quantity": "0", "notional": D(1), "time_in_force": TimeInForce.DAY, "order_type": OrderType.MARKET}
    assert codes(place(desk, **given)) == {"NOTIONAL_BUYS_NOTHING"}


def test_two_equal_amounts_within_seconds_are_taken_for_a_slip(desk):
    listed(desk, is_fractionable=True)
    given = {"quantity": "0", "notional": D(50), "time_in_force": TimeInForce.DAY, "order_type": OrderType.MARKET}
    assert place(desk, **given).status == "accepted"
    assert codes(place(desk, **given)) == {"DUPLICATE_ORDER"}


def test_a_good_till_order_ends_at_its_time_and_a_late_one_is_no_order(desk):
    until = clock.now() + timedelta(days=3)
    placement = place(desk, good_till=until)
    assert placement.order.good_till == until
    assert [message.expires_at for message in desk.claim()] == [until]
    late = place(desk, good_till=clock.now() - timedelta(seconds=1))
    assert (late.status, codes(late)) == ("invalid", {"GOOD_TILL_OUT_OF_RANGE"})


class Stepped:
    """A share on the New York calendar, and a desk that places in it at any instant."""

    def __init__(self, desk, settings):
        settings.SIMULATED_SESSIONS = "real"
        self.desk = desk
        self.share = new_instrument(f"X{uuid7().hex[-10:].upper()}")
        type(self.share).objects.filter(id=self.share.id).update(calendar="XNYS")
        set_last(self.share, "100", at=FRIDAY - timedelta(days=1))

    def place(self, at, **changes):
        given = {"symbol": self.share.symbol, "placed_at": at, "time_in_force": TimeInForce.DAY}
        command = self.desk.command(**{**given, **changes})
        return services.orders_place(commands=[command], at=at, venue=self.desk.venue)[0]

    def due(self, at):
        return [message.order_id for message in self.desk.claim(at=at)]


@pytest.fixture
def stepped(desk, settings):
    return Stepped(desk, settings)


def test_an_opening_order_waits_for_the_auction_and_comes_too_late_shortly_before(stepped):
    opens = FRIDAY + timedelta(hours=14, minutes=30)
    given = {"time_in_force": TimeInForce.OPG, "order_type": OrderType.MARKET}
    placement = stepped.place(opens - timedelta(hours=2), **given)
    assert placement.status == "accepted", placement.refusal
    assert placement.order.expires_at == FRIDAY + timedelta(hours=21)
    assert stepped.due(opens - timedelta(seconds=1)) == []
    assert stepped.due(opens) == [placement.order.id]
    late = stepped.place(opens - timedelta(minutes=2), **given)
    assert (late.status, codes(late)) == ("refused", {"AUCTION_CLOSED"})
    assert codes(stepped.place(opens + timedelta(hours=1), **given)) >= {"AUCTION_CLOSED"}


def test_a_closing_order_goes_out_once_the_market_is_open_and_until_ten_minutes_before_its_end(stepped):
    opens, closes = FRIDAY + timedelta(hours=14, minutes=30), FRIDAY + timedelta(hours=21)
    early = stepped.place(opens - timedelta(hours=1), time_in_force=TimeInForce.CLS)
    assert early.status == "accepted", early.refusal
    assert early.order.expires_at == closes
    assert stepped.due(opens - timedelta(seconds=1)) == []
    set_live(stepped.share, "100", None)
    late = stepped.place(closes - timedelta(minutes=10), time_in_force=TimeInForce.CLS)
    assert "AUCTION_CLOSED" in codes(late)
    assert stepped.due(opens) == [early.order.id]


@pytest.mark.parametrize("hours", [9, 22])
def test_an_extended_hours_order_goes_out_before_and_after_the_session(stepped, hours):
    at = FRIDAY + timedelta(hours=hours, minutes=1)
    set_live(stepped.share, "100", None, at=at - timedelta(seconds=1))
    patient, eager = stepped.place(at, quantity="1"), stepped.place(at, quantity="2", extended_hours=True)
    assert (patient.status, eager.status) == ("accepted", "accepted"), (patient.refusal, eager.refusal)
    assert eager.order.expires_at == FRIDAY + timedelta(days=1, hours=1)
    assert stepped.due(at) == [eager.order.id]
    stale = stepped.place(at + timedelta(seconds=10), quantity="3", extended_hours=True)
    assert codes(stale) == {"PRICE_STALE"}


def test_a_stop_waits_for_the_session_like_a_limit(stepped):
    saturday = FRIDAY + timedelta(days=1, hours=12)
    placement = stepped.place(saturday, **{**STOP, "stop_price": D(105)})
    assert placement.status == "accepted", placement.refusal
    assert stepped.due(FRIDAY + timedelta(days=3, hours=14, minutes=30)) == [placement.order.id]


@pytest.fixture
def seller(desk):
    listed(desk, is_shortable=True)
    account_configure(account_id=desk.account, may_short=True, by=BY, at=clock.now())
    return desk


def sold(desk, quantity, price="100"):
    order_id = desk.working(side=Side.SELL, quantity=quantity, limit_price=price)
    desk.record(desk.trade(order_id, quantity, price))
    return order_id


def test_a_short_sale_needs_an_account_and_an_instrument_that_allow_it(desk):
    assert codes(place(desk, side=Side.SELL)) == {"SHORT_NOT_ALLOWED"}
    listed(desk, is_shortable=True)
    assert codes(place(desk, side=Side.SELL)) == {"SHORT_NOT_ALLOWED"}
    account_configure(account_id=desk.account, may_short=True, by=BY, at=clock.now())
    assert place(desk, side=Side.SELL).status == "accepted"


def test_one_order_does_not_sell_through_zero_nor_a_part_of_a_share_short(seller):
    seller.record(seller.trade(seller.working(quantity="5"), "5"))
    assert codes(place(seller, side=Side.SELL, quantity="6")) == {"SHORT_THROUGH_ZERO"}
    assert place(seller, side=Side.SELL, quantity="5").status == "accepted"
    listed(seller, is_fractionable=True)
    other = Desk()
    listed(other, is_shortable=True, is_fractionable=True)
    account_configure(account_id=other.account, may_short=True, by=BY, at=clock.now())
    part = place(other, side=Side.SELL, quantity="0.5", time_in_force=TimeInForce.DAY)
    assert codes(part) == {"SHORT_NOT_WHOLE"}


def test_what_is_sold_short_is_a_negative_position_that_holds_margin(seller):
    sold(seller, "20")
    (position,) = positions_list(seller.account, clock.now())
    assert (position["side"], position["qty"], position["market_value"]) == ("short", "-20", "-2000")
    summary = account_summary(seller.account, clock.now())
    assert (summary.equity, summary.short_market_value, summary.short_margin) == (D(10) ** 9, D(-2000), D(3000))
    assert summary.buying_power == D(10) ** 9 + 2000 - 3000


def test_a_short_position_realises_what_it_brought_in_less_what_it_cost(seller):
    sold(seller, "20")
    cover = seller.working(quantity="20", limit_price="90")
    seller.record(seller.trade(cover, "20", "90"))
    summary = account_summary(seller.account, clock.now())
    assert (summary.realised_pnl, summary.short_margin, summary.cash) == (D(200), D(0), D(10) ** 9 + 200)
    assert positions_list(seller.account, clock.now()) == []


def test_short_sales_stop_where_the_cash_no_longer_holds_their_margin():
    desk = Desk(cash="1000")
    listed(desk, is_shortable=True)
    account_configure(account_id=desk.account, may_short=True, by=BY, at=clock.now())
    open_concentration(desk.account)
    # A short sale of 100 needs 50 of the cash: 20 of them all of it, working or filled.
    sold(desk, "12")
    working = desk.accepted(side=Side.SELL, quantity="8")
    assert codes(place(desk, side=Side.SELL, quantity="1")) == {"BUYING_POWER_EXCEEDED"}
    desk.cancel(working)
    # The market rises: what is short is worth more than the cash can hold, and only buying back is let by.
    set_live(desk.instrument, "150", None)
    orders = [desk.command(quantity="1", limit_price="150"), desk.command(quantity="14", limit_price="150")]
    cover, more = services.orders_place(commands=orders, at=clock.now(), venue=desk.venue)
    assert cover.status == "accepted", cover.refusal
    assert "BUYING_POWER_EXCEEDED" in codes(more)


def open_concentration(account_id):
    """Let an account put all it has into one name."""
    limit_row("concentration", "1", account_id, is_enforced=False)


def test_an_order_that_only_closes_does_nothing_else(seller):
    order = {"side": Side.SELL, "closes_only": True}
    assert codes(place(seller, quantity="3", **order)) == {"NOT_CLOSING"}
    seller.record(seller.trade(seller.working(quantity="3"), "3"))
    assert place(seller, quantity="3", **order).status == "accepted"


def test_what_a_venue_charges_is_held_too(desk, settings):
    numbers = {**next(iter(settings.PAPER_VENUES.values())), "FEE_RATE": D("0.001"), "FEE_PER_UNIT": D("0.01")}
    settings.PAPER_VENUES = {desk.venue: numbers}
    assert held(desk.accepted(quantity="10")) == (10, D("100.11"), False)
    poor = Desk(cash="1000")
    settings.PAPER_VENUES = {poor.venue: numbers}
    open_concentration(poor.account)
    assert codes(place(poor, quantity="10")) == {"BUYING_POWER_EXCEEDED"}
    assert place(poor, quantity="9").status == "accepted"


def test_what_is_routed_holds_what_the_dearest_of_its_venues_charges(settings):
    numbers = next(iter(settings.PAPER_VENUES.values()))
    cheap, dear = {**numbers, "FEE_RATE": D("0.001")}, {**numbers, "FEE_RATE": D("0.002"), "FEE_PER_UNIT": D("0.03")}
    settings.SMART_VENUES = {"one": cheap, "two": dear}
    assert venue_fees(SMART_VENUE) == (D("0.002"), D("0.03"))
    assert venue_fees("elsewhere") == (0, 0)


def test_what_pages_and_partners_send_becomes_the_same_order(desk):
    body = {
        "symbol": desk.symbol, "side": "buy", "type": "trailing_stop", "time_in_force": "gtc", "qty": "4",
        "trail_percent": "1.5", "good_till": (clock.now() + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    fields = parse_order(body)
    assert isinstance(fields, OrderFields)
    given = {name: getattr(fields, name) for name in ("order_type", "trail_percent", "good_till", "quantity")}
    order = place(desk, limit_price=None, **given).order
    assert (order.trail_percent, order.good_till, order.quantity) == (D("1.5"), fields.good_till, 4)
