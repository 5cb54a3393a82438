"""Money and fills are booked exactly, once, and under the accounts' lock."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.domain.types import LockedAccounts
from accounts.selectors import account_by_id
from accounts.services import accounts_lock
from audit.selectors import events_of_account
from positions import services
from positions.domain.errors import Unbookable
from positions.domain.types import NewReservation, Side
from positions.selectors import exposures
from positions.services import FillRestatement
from positions.tests.helpers import BY, balance, book, fill, holding, new_account, new_currency, new_instrument, rows
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Conflict, InvalidInput, NotFound
from trading_portal.kernel.ids import uuid7

D = Decimal


@pytest.fixture
def account_id():
    return new_account(("USD", "10000"))


@pytest.fixture
def instrument():
    return new_instrument()


def reserve(account_id, instrument, side="buy", quantity="1", price="100"):
    order_id = uuid7()
    reservation = NewReservation(
        order_id, account_id, instrument.id, uuid7(), Side(side), D(quantity), D(price), None, instrument.currency
    )
    with transaction.atomic():
        accounts_lock([account_id])
        services.reservations_open(reservations=[reservation], at=clock.now())
    return order_id


def lines_of(account_id):
    return rows(
        "SELECT transaction_id, book, currency, amount, reason FROM positions_ledgerline "
        "WHERE account_id = %s ORDER BY id",
        account_id,
    )


def test_money_paid_in_is_two_lines_a_balance_and_an_event(account_id):
    transaction_id = services.cash_post(
        account_id=account_id, currency="USD", amount=D("-0.5"), reason="bank fee", by=BY, at=clock.now()
    )
    assert balance(account_id) == D("9999.5")
    assert lines_of(account_id)[-2:] == [
        (transaction_id, "cash", "USD", D("-0.5"), "bank fee"),
        (transaction_id, "external", "USD", D("0.5"), "bank fee"),
    ]
    event = events_of_account(account_id, 0, 10)[-1]
    assert (event.type, event.payload["amount"], event.payload["balance_after"]) == ("cash.posted", "-0.5", "9999.5")


@pytest.mark.parametrize("amount", ["0", "NaN", "Infinity", "1e18", "0.00000000001"])
def test_what_is_no_amount_is_refused_and_nothing_is_stored(account_id, amount):
    with pytest.raises(InvalidInput):
        services.cash_post(account_id=account_id, currency="USD", amount=D(amount), reason="x", by=BY, at=clock.now())
    assert balance(account_id) == 10000


@pytest.mark.parametrize(("currency", "why"), [("usd", "x"), ("US", "x"), ("USD", " "), ("USD", "x" * 41)])
def test_a_posting_without_currency_or_reason_is_refused(account_id, currency, why):
    with pytest.raises(InvalidInput):
        services.cash_post(account_id=account_id, currency=currency, amount=D(1), reason=why, by=BY, at=clock.now())


def test_money_that_open_orders_need_cannot_be_paid_out(account_id, instrument):
    reserve(account_id, instrument, quantity="99")
    with pytest.raises(Conflict) as caught:
        services.cash_post(account_id=account_id, currency="USD", amount=D(-101), reason="out", by=BY, at=clock.now())
    assert (caught.value.reason.code, caught.value.reason.facts["free"]) == ("CASH_INSUFFICIENT", D(100))
    services.cash_post(account_id=account_id, currency="USD", amount=D(-100), reason="out", by=BY, at=clock.now())
    assert balance(account_id) == 9900


def test_a_batch_of_fills_on_one_holding_folds_in_order(account_id, instrument):
    outcomes = book(
        fill(account_id, instrument, "buy", "10", "100"),
        fill(account_id, instrument, "buy", "10", "110", fee="2"),
        fill(account_id, instrument, "sell", "25", "120", fee="1"),
    )
    assert [(o.quantity_after, o.average_cost, o.realised_pnl, o.cash_after) for o in outcomes] == [
        (10, 100, 0, 9000),
        (20, 105, 0, 7898),
        (-5, 120, 300, 10897),
    ]
    assert holding(account_id, instrument) == (-5, 120, 300, 3)
    assert balance(account_id) == 10897
    assert len(lines_of(account_id)) == 2 + 6 + 4


def test_fills_of_many_accounts_and_currencies_go_in_one_batch(instrument):
    other = new_instrument(currency="BTC")
    first, second = new_account(("USD", "1000"), ("BTC", "1")), new_account()
    book(
        fill(first, instrument, "buy", "1", "100"),
        fill(second, other, "sell", "2", "0.25"),
        fill(first, other, "buy", "1", "0.5"),
    )
    assert (balance(first), balance(first, "BTC"), balance(second, "BTC")) == (900, D("0.5"), D("0.5"))
    assert holding(second, other)[0] == -2


def test_a_fill_is_booked_although_the_money_is_not_there(instrument):
    poor = new_account()
    book(fill(poor, instrument, "buy", "1", "100"))
    assert balance(poor) == -100


def test_a_fill_cannot_be_booked_twice(account_id, instrument):
    each = fill(account_id, instrument)
    book(each)
    with pytest.raises(IntegrityError):
        book(each)
    assert holding(account_id, instrument)[0] == 1
    assert balance(account_id) == 9900


def test_a_fill_that_no_column_can_hold_is_named_and_nothing_is_written(account_id, instrument):
    absurd = fill(account_id, instrument, quantity="1e17", price="1e5")
    with pytest.raises(Unbookable) as caught:
        book(fill(account_id, instrument), absurd)
    assert caught.value.execution_id == absurd.execution_id
    assert balance(account_id) == 10000


def test_fills_are_not_booked_without_the_accounts_lock(account_id, instrument):
    with transaction.atomic(), pytest.raises(NotFound):
        services.fills_apply(fills=[fill(account_id, instrument)], locked=accounts_lock([]), at=clock.now())
    locked = LockedAccounts([(account_by_id(account_id), 1)])
    with pytest.raises(transaction.TransactionManagementError):
        services.fills_apply(fills=[fill(account_id, instrument)], locked=locked, at=clock.now())


def _unlocked(account_id):
    return LockedAccounts([(account_by_id(account_id), 0)])


def _locked(account_id):
    return accounts_lock([account_id])


@pytest.mark.parametrize(("lock", "is_exact"), [(_unlocked, False), (_locked, True)])
def test_two_fills_at_once_lose_one_without_the_lock_and_none_with_it(account_id, instrument, lock, is_exact):
    book(fill(account_id, instrument, quantity="1", price="100"))
    first_has_booked, first_may_commit = threading.Event(), threading.Event()

    def second():
        try:
            first_has_booked.wait(5)
            with transaction.atomic():
                locked = lock(account_id)
                services.fills_apply(fills=[fill(account_id, instrument, quantity="10")], locked=locked, at=clock.now())
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        services.fills_apply(
            fills=[fill(account_id, instrument, quantity="5")], locked=lock(account_id), at=clock.now()
        )
        first_has_booked.set()
        first_may_commit.wait(0.5)
    thread.join(10)
    expected = (16, 8400) if is_exact else (11, 8900)
    assert (holding(account_id, instrument)[0], balance(account_id)) == expected
    lines = sum(line[3] for line in lines_of(account_id) if line[1] == "cash")
    assert (lines == balance(account_id)) is is_exact


def test_many_fills_at_once_on_one_account_add_up(account_id, instrument):
    def work():
        try:
            for _ in range(10):
                book(fill(account_id, instrument, "buy", "2", "3"), fill(account_id, instrument, "sell", "1", "5"))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert holding(account_id, instrument)[0] == 40
    assert balance(account_id) == 10000 - 40 * 6 + 40 * 5


def test_a_bust_takes_the_fill_out_as_if_it_had_never_been(account_id, instrument):
    fills = [
        fill(account_id, instrument, "buy", "10", "100"),
        fill(account_id, instrument, "buy", "10", "130", fee="1"),
        fill(account_id, instrument, "sell", "5", "120"),
    ]
    book(*fills)
    gone, bust_id = fills[1], uuid7()
    with transaction.atomic():
        locked = accounts_lock([account_id])
        (outcome,) = services.fills_restate(
            restatements=[FillRestatement(bust_id, gone, None)],
            live=[fills[0], fills[2]],
            locked=locked,
            at=clock.now(),
        )
    assert holding(account_id, instrument) == (5, 100, 100, 0)
    assert balance(account_id) == 10000 - 1000 + 600
    assert (outcome.execution_id, outcome.quantity_after, outcome.realised_pnl) == (gone.execution_id, 5, 100 - 25)
    assert [line[4] for line in lines_of(account_id) if line[0] == bust_id] == [
        "reversal",
        "reversal",
        "fee_reversal",
        "fee_reversal",
    ]


def test_a_correction_replaces_the_fill(account_id, instrument):
    wrong = fill(account_id, instrument, "buy", "10", "100")
    book(wrong)
    right = fill(account_id, instrument, "buy", "8", "99", fee="3")
    with transaction.atomic():
        services.fills_restate(
            restatements=[FillRestatement(right.execution_id, wrong, right)],
            live=[right],
            locked=accounts_lock([account_id]),
            at=clock.now(),
        )
    assert holding(account_id, instrument) == (8, 99, 0, 3)
    assert balance(account_id) == 10000 - 792 - 3


def test_the_bust_of_an_only_fill_leaves_nothing(account_id, instrument):
    only = fill(account_id, instrument)
    book(only)
    with transaction.atomic():
        services.fills_restate(
            restatements=[FillRestatement(uuid7(), only, None)],
            live=[],
            locked=accounts_lock([account_id]),
            at=clock.now(),
        )
    assert holding(account_id, instrument)[0] == 0
    assert balance(account_id) == 10000


def test_the_first_booking_of_a_day_opens_it(account_id, instrument):
    monday = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
    book(fill(account_id, instrument, quantity="10", price="100"), at=monday)
    book(fill(account_id, instrument, "sell", "4", "110"), at=monday + timedelta(minutes=2))
    assert rows("SELECT day, opening_quantity, day_flow FROM positions_holding WHERE account_id = %s", account_id) == [
        (monday.date() + timedelta(days=1), 10, 440)
    ]


def test_reservations_are_opened_changed_and_released(account_id, instrument):
    first, second = reserve(account_id, instrument), reserve(account_id, instrument, "sell", "3")
    with transaction.atomic():
        services.reservations_change(left={first: D("0.25")})
        services.reservations_release(order_ids=[second, uuid7()])
    held = exposures([account_id])[account_id].working
    assert [(o.keenest_id, o.orders, o.side, o.quantity_left, o.value, o.currency) for o in held] == [
        (first, 1, Side.BUY, D("0.25"), 25, "USD")
    ]


def test_a_reservation_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError):
        services.reservations_release(order_ids=[uuid7()])


LINE = """INSERT INTO positions_ledgerline
(id, transaction_id, account_id, book, currency, amount, reason, valid_at, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s, 'test', now(), now())"""


def test_the_database_refuses_a_transaction_that_does_not_sum_to_zero_in_each_currency(account_id):
    one = uuid7()
    with pytest.raises(IntegrityError, match="does not sum to zero"), connection.cursor() as cursor:
        cursor.execute(LINE, [uuid7(), one, account_id, "cash", "USD", 5])
    both = LINE + ", (%s, %s, %s, %s, %s, %s, 'test', now(), now())"
    with pytest.raises(IntegrityError, match="does not sum to zero"), connection.cursor() as cursor:
        cursor.execute(
            both, [uuid7(), one, account_id, "cash", "USD", 5, uuid7(), one, account_id, "market", "EUR", -5]
        )
    assert len(lines_of(account_id)) == 2


@pytest.mark.parametrize(
    "change",
    ["UPDATE positions_ledgerline SET amount = 1", "DELETE FROM positions_ledgerline", "TRUNCATE positions_ledgerline"],
)
@pytest.mark.parametrize("role", ["portal_app", "NONE"])
def test_the_ledger_cannot_be_changed_by_a_process_nor_by_its_owner(account_id, change, role):
    with (
        pytest.raises((DatabaseError, psycopg.Error), match=r"append-only|permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET LOCAL ROLE {role}")
        cursor.execute(change)


def test_a_new_currency_opens_its_own_balance(account_id):
    currency = new_currency()
    services.cash_post(account_id=account_id, currency=currency, amount=D(3), reason="in", by=BY, at=clock.now())
    assert exposures([account_id])[account_id].cash == {"USD": D(10000), currency: D(3)}
