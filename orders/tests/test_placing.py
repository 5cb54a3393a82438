"""Placing: one transaction, one answer for each command, whatever its neighbours are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from msgspec.structs import replace

from orders import services
from orders.domain.types import OrderType, TimeInForce
from orders.services import placing
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import new_instrument, set_last
from trading_portal.kernel import clock
from trading_portal.kernel.errors import NotFound
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk()


def test_an_accepted_order_has_its_reservation_its_message_and_its_first_event(desk):
    placement = desk.place_all([desk.command(quantity="7", limit_price="99.5")])[0]
    order = placement.order
    assert (placement.status, placement.is_replay, order.status) == ("accepted", False, "accepted")
    assert desk.reserved(order.id) == 7
    assert desk.intents(order.id) == [("submit", "due")]
    assert desk.events(order.id) == ["accepted"]
    assert desk.order(order.id) == order


def test_an_order_that_risk_refuses_is_kept_as_rejected_with_its_reasons(desk):
    placement = desk.place_all([desk.command(side=Side.SELL)])[0]
    assert placement.status == "refused"
    assert "SHORT_NOT_ALLOWED" in {why.code for why in placement.refusal}
    order = desk.order(placement.order.id)
    assert (order.status, order.is_refused, order.event_sequence) == ("rejected", True, 1)
    assert {why["code"] for why in order.reasons} == {why.code for why in placement.refusal}
    assert desk.events(order.id) == ["refused"]
    assert (desk.reserved(order.id), desk.intents(order.id)) == (None, [])


@pytest.mark.parametrize("changes", [{}, {"side": Side.SELL}])
def test_the_same_command_again_gives_the_same_answer(desk, changes):
    command = desk.command(**changes)
    first = desk.place_all([command])[0]
    again = desk.place_all([replace(command, placed_at=clock.now(), correlation_id=uuid7())])[0]
    assert (again.status, again.order.id, again.is_replay) == (first.status, first.order.id, True)
    assert [why.code for why in again.refusal] == [why.code for why in first.refusal]
    assert len(desk.events(first.order.id)) == 1


def test_the_same_id_for_another_command_is_a_conflict_and_stores_nothing(desk):
    command = desk.command(quantity="3")
    desk.place_all([command])
    answer = desk.place_all([replace(command, quantity=Decimal(4))])[0]
    assert (answer.status, answer.order, answer.refusal[0].code) == ("conflict", None, "CLIENT_ORDER_ID_TAKEN")


def test_a_twin_in_the_same_batch_is_a_replay_and_a_false_twin_a_conflict(desk):
    command = desk.command(quantity="3")
    first, twin, false_twin = desk.place_all([command, command, replace(command, quantity=Decimal(4))])
    assert (first.status, first.is_replay) == ("accepted", False)
    assert (twin.status, twin.is_replay, twin.order.id) == ("accepted", True, first.order.id)
    assert false_twin.status == "conflict"


def test_an_id_that_only_an_invalid_command_used_is_free(desk):
    command = desk.command(symbol="NOSUCH")
    invalid, valid = desk.place_all([command, replace(command, symbol=desk.symbol)])
    assert (invalid.status, invalid.refusal[0].code) == ("invalid", "SYMBOL_UNKNOWN")
    assert valid.status == "accepted"


def test_what_is_off_the_grid_is_invalid_with_every_reason_and_its_neighbours_go_on(desk):
    good, bad = desk.place_all([desk.command(), desk.command(quantity="1.5", limit_price="99.999")])
    assert good.status == "accepted"
    assert [why.code for why in bad.refusal] == ["QUANTITY_OFF_LOT", "PRICE_OFF_TICK"]
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(1,)]


def test_two_accounts_may_use_the_same_client_order_id():
    desk = Desk(accounts=2)
    mine = desk.command(client_order_id="same")
    answers = desk.place_all([mine, replace(mine, account_id=desk.accounts[1])])
    assert [answer.status for answer in answers] == ["accepted", "accepted"]


def test_a_batch_decides_as_if_its_commands_had_come_one_by_one():
    # A fifth of the equity may be in one name, here twenty shares: the third order is over it, the fourth just is not.
    def outcome(desk, batched):
        commands = [desk.command(quantity=str(q)) for q in (9, 10, 2, 1)]
        answers = desk.place_all(commands) if batched else [desk.place_all([command])[0] for command in commands]
        return [(a.status, sorted(why.code for why in a.refusal)) for a in answers]

    alone, batched = outcome(Desk(cash="10000"), batched=False), outcome(Desk(cash="10000"), batched=True)
    assert alone == batched
    assert [status for status, _ in batched] == ["accepted", "accepted", "refused", "accepted"]


def test_a_batch_with_an_unknown_account_stores_nothing(desk):
    with pytest.raises(NotFound):
        desk.place_all([desk.command(), desk.command(account_id=uuid7())])
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(0,)]


def test_a_market_order_and_an_immediate_one_are_taken(desk):
    answers = desk.place_all([desk.command(order_type=OrderType.MARKET), desk.command(time_in_force=TimeInForce.FOK)])
    assert [answer.status for answer in answers] == ["accepted", "accepted"]
    assert answers[0].order.limit_price is None


def test_a_day_order_knows_when_its_day_ends(desk):
    order = desk.order(desk.accepted(time_in_force=TimeInForce.DAY))
    assert order.expires_at is not None
    assert order.expires_at > clock.now()
    assert desk.order(desk.accepted()).expires_at is None


def test_a_day_order_that_was_never_sent_expires_and_holds_nothing_more(desk):
    order_id = desk.accepted(time_in_force=TimeInForce.DAY)
    ends_at = desk.order(order_id).expires_at
    assert desk.claim(at=ends_at) == []
    while services.orders_expire_due(at=ends_at):
        pass
    assert desk.status(order_id) == "expired"
    assert desk.events(order_id) == ["accepted", "expired"]
    assert (desk.reserved(order_id), desk.intents(order_id)) == (None, [("submit", "dropped")])


def test_the_venue_is_woken_once_for_a_batch_and_not_for_refusals(desk, monkeypatch):
    woken = []
    monkeypatch.setattr("orders.services.waking._wakers.wake", woken.append)
    desk.place_all([desk.command() for _ in range(5)])
    assert woken == [desk.venue]
    desk.place_all([desk.command(side=Side.SELL)])
    assert woken == [desk.venue]


def test_a_waker_that_fails_does_not_fail_the_order(desk, monkeypatch):
    def fail(venue):
        raise ConnectionError(venue)

    monkeypatch.setattr("orders.services.waking._wakers.wake", fail)
    assert desk.place_all([desk.command()])[0].status == "accepted"


def test_a_duplicate_that_got_in_without_the_lock_costs_its_neighbours_nothing(desk, monkeypatch):
    known = desk.command()
    first = desk.place_all([known])[0]
    look, looks = placing._repeats_answer, []

    def look_away_once(commands, around):
        looks.append(len(commands))
        return {} if len(looks) == 1 else look(commands, around)

    monkeypatch.setattr(placing, "_repeats_answer", look_away_once)
    before, again, after = desk.place_all([desk.command(), known, desk.command()])
    assert len(looks) == 2
    assert [before.status, again.status, after.status] == ["accepted"] * 3
    assert (again.is_replay, again.order.id) == (True, first.order.id)
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(3,)]


def test_orders_placed_in_a_transaction_that_is_taken_back_are_gone_and_wake_nobody(desk, monkeypatch):
    woken = []
    monkeypatch.setattr("orders.services.waking._wakers.wake", woken.append)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        desk.place_all([desk.command()])
        raise ZeroDivisionError
    assert woken == []
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(0,)]


def test_out_of_session_a_limit_order_waits_for_the_open_and_a_market_order_is_refused(desk, settings):
    settings.SIMULATED_SESSIONS = "real"
    saturday = datetime(2026, 1, 3, 12, tzinfo=UTC)
    monday_open, monday_close = datetime(2026, 1, 5, 14, 30, tzinfo=UTC), datetime(2026, 1, 5, 21, tzinfo=UTC)
    share = new_instrument(f"X{uuid7().hex[-10:].upper()}")
    type(share).objects.filter(id=share.id).update(calendar="XNYS")
    set_last(share, "100", at=saturday - timedelta(days=1))
    given = {"symbol": share.symbol, "placed_at": saturday, "time_in_force": TimeInForce.DAY}
    limit, market = services.orders_place(
        commands=[desk.command(**given), desk.command(order_type=OrderType.MARKET, **given)],
        at=saturday,
        venue=desk.venue,
    )
    assert (limit.status, market.status) == ("accepted", "refused")
    assert "MARKET_CLOSED" in {why.code for why in market.refusal}
    assert limit.order.expires_at == monday_close
    assert desk.claim(at=monday_open - timedelta(seconds=1)) == []
    assert [message.order_id for message in desk.claim(at=monday_open)] == [limit.order.id]
