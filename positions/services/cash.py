"""Pay money in and out."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from msgspec.structs import replace

from accounts.domain.types import AccountFacts
from accounts.services import accounts_lock, accounts_sequences_save
from audit.domain.types import Actor, NewEvent
from audit.services import events_append
from positions.domain.buying_power import free_cash
from positions.domain.events import CashPosted
from positions.domain.ledger import posting_lines
from positions.selectors import exposures, prices_last
from positions.services.books import books_read, books_write
from trading_portal.kernel.errors import Conflict, InvalidInput, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import STORED_LIMIT, ZERO, plain, stored

_CURRENCY = re.compile(r"[A-Z]{3,8}", re.ASCII)
_REASON_LENGTH = 40


@transaction.atomic
def cash_post(*, account_id: UUID, currency: str, amount: Decimal, reason: str, by: Actor, at: datetime) -> UUID:
    """Pay money in (amount > 0) or out, as two ledger lines and an event; return the ledger transaction's id.

    Raise InvalidInput for what is no amount, and Conflict when more is paid out than open orders leave free.
    """
    _require_sense(currency, amount, reason)
    locked = accounts_lock([account_id])
    _require_possible(locked[account_id], currency, amount, at)
    key = (account_id, currency)
    books = books_read(holdings=(), cash=[key], at=at)
    cash = books.cash[key]
    books.cash[key] = replace(cash, balance=cash.balance + amount, day_posted=cash.day_posted + amount)
    if abs(books.cash[key].balance) >= STORED_LIMIT:
        raise _invalid("AMOUNT_TOO_LARGE", "The balance would be too large.", amount=amount)
    transaction_id = uuid7()
    books.lines += posting_lines(
        transaction_id=transaction_id, account_id=account_id, currency=currency, amount=amount, reason=reason, at=at
    )
    books_write(books, holdings=(), cash=[key])
    event = NewEvent(
        stream=f"account:{account_id}",
        payload=CashPosted(
            transaction_id=str(transaction_id),
            currency=currency,
            amount=plain(amount),
            balance_after=plain(books.cash[key].balance),
            reason=reason,
        ),
        actor=by,
        correlation_id=transaction_id,
        valid_at=at,
        account_id=account_id,
        account_sequence=locked.take_sequence(account_id),
    )
    events_append(events=[event], at=at)
    accounts_sequences_save(locked)
    return transaction_id


def _invalid(code: str, sentence: str, **facts: str | Decimal) -> InvalidInput:
    return InvalidInput(reason(code, **facts), sentence)


def _require_sense(currency: str, amount: Decimal, why: str) -> None:
    if not _CURRENCY.fullmatch(currency):
        raise _invalid("CURRENCY_INVALID", "A currency is three to eight capital letters.", currency=currency)
    if not amount.is_finite() or amount == 0 or abs(amount) >= STORED_LIMIT or stored(amount) != amount:
        raise _invalid("AMOUNT_INVALID", "The amount must be a number other than zero, with at most ten decimals.")
    if not why.strip() or len(why) > _REASON_LENGTH:
        raise _invalid("REASON_INVALID", f"Say why, in at most {_REASON_LENGTH} characters.")


def _require_possible(account: AccountFacts, currency: str, amount: Decimal, at: datetime) -> None:
    if amount > 0 and account.status != "ACTIVE":
        raise Conflict(reason("ACCOUNT_CLOSED", account=account.number), "Nothing can be paid into a closed account.")
    if amount < 0:
        exposure = exposures([account.id])[account.id]
        short = [key for key, held in exposure.holdings.items() if held.quantity < 0]
        free = free_cash(exposure, prices_last(short, at)).get(currency, ZERO)
        if free is None or free + amount < 0:
            raise Conflict(
                reason("CASH_INSUFFICIENT", amount=-amount, free=free, currency=currency),
                "There is less cash than that, or open orders and short positions still need it.",
            )
