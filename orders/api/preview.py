"""Ask what an order would do, and write it as tickets and programs read it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from accounts.api.errors import ProblemError
from accounts.domain.types import AccountFacts
from marketdata.selectors import instruments_by_symbol, session_at
from orders.api.problems import unreadable
from orders.domain.commands import OrderFields
from orders.domain.reasons import reason_dict
from orders.services.intending import hours_of, intent_of
from orders.services.routing import order_faults, surroundings_of
from risk.domain.preview import Preview
from risk.domain.types import OrderIntent
from risk.services import orders_preview
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import plain


def preview_json(account: AccountFacts, fields: OrderFields, *, at: datetime) -> dict[str, object]:
    """Return what the order would cost and leave, and how each check would judge it."""
    (preview,) = orders_preview(intents=[_intent(account, fields, at)], at=at)
    return _shown(preview)


def _intent(account: AccountFacts, fields: OrderFields, at: datetime) -> OrderIntent:
    instrument = instruments_by_symbol([fields.symbol]).get(fields.symbol)
    around = surroundings_of(account.id)
    faults = order_faults(fields, account.id, instrument, around, at=at)
    if instrument is None or faults:
        raise ProblemError(unreadable(faults))
    venue = around.venue_of(fields, account.id, instrument.asset_class)
    return intent_of(
        fields,
        order_id=uuid7(),
        account=account,
        instrument=instrument,
        session=session_at(instrument, at, hours_of(fields)),
        venue=venue,
        placed_at=at,
        is_venue_available=venue not in around.down,
    )


def _shown(preview: Preview) -> dict[str, object]:
    return {
        "approved": preview.approved,
        "reasons": [reason_dict(why) for why in preview.reasons],
        "qty": _text(preview.quantity),
        "notional": _text(preview.notional),
        "fees": _text(preview.fees),
        "worst_price": _text(preview.worst_price),
        "reference_price": _text(preview.reference_price),
        "slippage": _text(preview.slippage),
        "buying_power": _text(preview.buying_power),
        "buying_power_after": _text(preview.buying_power_after),
        "position": _text(preview.position),
        "position_after": _text(preview.position_after),
        "checks": [
            {
                "rule": check.rule,
                "label": check.label,
                "passed": check.passed,
                "verdict": check.verdict,
                "value": check.value,
                "limit": check.limit,
                "percent": check.percent,
                "scope": check.scope,
                "sentence": check.sentence,
            }
            for check in preview.checks
        ],
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
