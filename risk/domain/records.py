"""Write decisions down, and read them back for people: compact JSON, every number a string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from risk.domain.reasons import sentence
from risk.domain.rules import LABELS
from risk.domain.types import Check, Decision, Verdict
from trading_portal.kernel.errors import Fact, Reason, fact_text
from trading_portal.kernel.money import STORED_PLACES, ZERO, divide, plain, stored

_RARE = ("notional", "stop_price", "trail_price", "trail_percent")
_PERCENT_STEP = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class CheckShown:
    """One check as a person or a program reads it; percent is how much of the limit is used."""

    rule: str
    label: str
    passed: bool
    verdict: str
    value: str | None
    limit: str | None
    percent: str | None
    version: int | None
    scope: str
    code: str
    sentence: str

    @property
    def value_shown(self) -> str:
        """Return the exposure in groups of three digits."""
        return grouped(self.value)

    @property
    def limit_shown(self) -> str:
        """Return the limit in groups of three digits."""
        return grouped(self.limit)


def grouped(text: str | None) -> str:
    """Return a plain number as people read it: 1,234,567.89; a dash for none."""
    return "-" if text is None else format(Decimal(text), ",f")


def number(value: Decimal | None) -> str | None:
    """Return a number plainly, rounded once to what a column holds."""
    if value is None:
        return None
    text = plain(value)
    places = len(text) - text.find(".") - 1 if "." in text else 0
    return text if places <= STORED_PLACES else plain(stored(value))


def facts_json(facts: Mapping[str, Fact]) -> dict[str, str]:
    """Return facts as text."""
    return {name: (number(v) or "") if isinstance(v, Decimal) else fact_text(v) for name, v in facts.items()}


def reasons_json(reasons: Sequence[Reason]) -> list[dict[str, object]]:
    """Return reasons as {code, facts}."""
    return [{"code": why.code, "facts": facts_json(why.facts)} for why in reasons]


def checks_json(decision: Decision) -> list[Check]:
    """Return a decision's checks exact as they were judged; what is not there has its default."""
    return [_stored(check) for check in decision.checks]


def _stored(check: Check) -> Check:
    return replace(check, facts=facts_json(check.facts)) if check.code else check


def inputs_json(decision: Decision) -> dict[str, object]:
    """Return what a decision was made on: the order, its price and the price's age."""
    intent, price = decision.intent, decision.snapshot.price
    row: dict[str, object] = {
        "symbol": intent.instrument.symbol,
        "side": str(intent.side),
        "type": str(intent.order_type),
        "time_in_force": str(intent.time_in_force),
        "quantity": _loose(intent.whole_quantity),
        "limit_price": _loose(intent.limit_price),
        **{name: _loose(value) for name in _RARE if (value := getattr(intent, name)) is not None},
        "in_session": decision.in_session,
        "is_reducing": decision.is_reducing,
        "worst_price": number(decision.worst_price),
        "rate": number(decision.snapshot.rate),
    }
    if price is not None:
        row |= {
            "reference_price": _loose(price.reference),
            "price_source": "quote" if price.is_quote else "close",
            "price_age": _loose(price.age),
        }
    return row


def _loose(value: object) -> str | None:
    """Return a number as text, also one that is no number."""
    if value is None:
        return None
    return number(value) if isinstance(value, Decimal) and value.is_finite() else str(value)


def check_shown(row: Mapping[str, Any]) -> CheckShown:
    """Return a stored check as it is read."""
    verdict = row.get("verdict", Verdict.PASSED.value)
    code = row.get("code", "")
    return CheckShown(
        rule=row["rule"],
        label=LABELS.get(row["rule"], row["rule"]),
        passed=verdict != Verdict.BREACHED.value,
        verdict=verdict,
        value=_read(row.get("value")),
        limit=_read(row.get("limit")),
        percent=_percent(row.get("value"), row.get("limit")) if verdict != Verdict.OFF.value else None,
        version=row.get("version"),
        scope=row.get("scope", ""),
        code=code,
        sentence=sentence(code, row.get("facts", {})) if code else "",
    )


def _read(text: str | None) -> str | None:
    return None if text is None else number(Decimal(text))


def _percent(value: str | None, limit: str | None) -> str | None:
    if value is None or limit is None:
        return None
    used = percent_used(Decimal(value), Decimal(limit))
    return None if used is None else plain(used)


def percent_used(value: Decimal, limit: Decimal) -> Decimal | None:
    """Return how much of a limit is used, in percent to a tenth; None of a limit of nothing."""
    if limit <= 0:
        return ZERO if value <= 0 else None
    return divide(value * 100, limit).quantize(_PERCENT_STEP)


def decision_checks(decision: Decision) -> list[CheckShown]:
    """Return the checks of a decision just made as they are read."""
    return [check_shown(msgspec.to_builtins(_stored(check))) for check in decision.checks]
