"""Turn what was sent into an order's fields: the structural rules, once for HTTP, bulk and pages."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from orders.domain.commands import OrderFields
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel import money
from trading_portal.kernel.errors import Reason, reason

BODY_LIMIT = 1_048_576
CLIENT_ORDER_ID_LIMIT = 128
AMOUNT_LIMIT = Decimal(10**15)
ORDER_TYPES = (OrderType.MARKET, OrderType.LIMIT)
TIMES_IN_FORCE = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
_NOT_YET = ("notional", "stop_price", "trail_price", "trail_percent", "take_profit", "stop_loss", "legs")
_TAKEN = ("symbol", "side", "type", "time_in_force", "qty", "limit_price", "client_order_id")
_KNOWN = frozenset((*_TAKEN, "extended_hours", "order_class", "position_intent", *_NOT_YET))
_INTENTS = {"buy_to_open": Side.BUY, "buy_to_close": Side.BUY, "sell_to_open": Side.SELL, "sell_to_close": Side.SELL}
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,23}", re.ASCII)
_SHOWN = 40

Choice = TypeVar("Choice", bound=StrEnum)


class _KeyTwiceError(ValueError):
    """Carry the key that a JSON object names twice."""


def decode_json_body(body: bytes, *, limit: int = BODY_LIMIT) -> Any | Reason:
    """Return what a JSON body says, numbers as Decimal or int, or the reason it cannot be read.

    Refuses bodies above the limit, duplicate keys, NaN and Infinity, bad UTF-8 and absurd nesting.
    """
    if len(body) > limit:
        return reason("BODY_TOO_LARGE", bytes=len(body), limit=limit)
    try:
        return _decoder.decode(body.decode())
    except _KeyTwiceError as error:
        return reason("BODY_KEY_TWICE", field=_shown(str(error)))
    except RecursionError:
        return reason("BODY_TOO_DEEP")
    except (ValueError, InvalidOperation):
        return reason("BODY_NOT_JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, refusing one that says a key twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _KeyTwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(word)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= money.STORED_DIGITS else Decimal(digits)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Decimal, parse_int=_integer, parse_constant=_constant
)


def parse_order(body: object) -> OrderFields | list[Reason]:
    """Return an order's fields, or every reason why the body is none."""
    if not isinstance(body, Mapping):
        return [reason("BODY_NOT_AN_OBJECT")]
    given = {name: value for name, value in body.items() if value is not None}
    found: list[Reason] = [reason("FIELD_UNKNOWN", field=_shown(name)) for name in given if name not in _KNOWN]
    found += [reason("FIELD_NOT_SUPPORTED", field=name, value="") for name in _NOT_YET if name in given]
    symbol = _symbol(given, found)
    side = _choice(given, "side", Side, tuple(Side), found)
    order_type = _choice(given, "type", OrderType, ORDER_TYPES, found)
    time_in_force = _choice(given, "time_in_force", TimeInForce, TIMES_IN_FORCE, found)
    quantity = _amount(given, "qty", found)
    limit_price = _amount(given, "limit_price", found) if "limit_price" in given else None
    client_order_id = _client_order_id(given, found)
    _check_together(given, order_type, side, found)
    if found or symbol is None or side is None or order_type is None or time_in_force is None or quantity is None:
        return found
    return OrderFields(
        symbol=symbol,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        limit_price=limit_price,
        client_order_id=client_order_id,
    )


def grid_reasons(*, quantity: Decimal, limit_price: Decimal | None, lot: Decimal, tick: Decimal) -> list[Reason]:
    """Return why quantity or price do not lie on the instrument's grid."""
    found: list[Reason] = []
    if not money.is_multiple(quantity, lot):
        found.append(reason("QUANTITY_OFF_LOT", quantity=quantity, lot=lot))
    if limit_price is not None and not money.is_multiple(limit_price, tick):
        found.append(reason("PRICE_OFF_TICK", price=limit_price, tick=tick))
    return found


def _shown(text: object) -> str:
    """Return text short and plain enough to repeat to its sender."""
    return "".join(char if char.isprintable() else "?" for char in str(text)[:_SHOWN])


def _text(given: Mapping[str, Any], name: str, found: list[Reason]) -> str | None:
    value = given.get(name)
    if value is None:
        found.append(reason("FIELD_REQUIRED", field=name))
    elif not isinstance(value, str):
        found.append(reason("FIELD_NOT_TEXT", field=name))
    else:
        return value
    return None


def _symbol(given: Mapping[str, Any], found: list[Reason]) -> str | None:
    symbol = _text(given, "symbol", found)
    if symbol is not None and not _SYMBOL.fullmatch(symbol):
        found.append(reason("SYMBOL_UNKNOWN", symbol=_shown(symbol)))
    return symbol


def _choice(
    given: Mapping[str, Any], name: str, words: type[Choice], allowed: tuple[Choice, ...], found: list[Reason]
) -> Choice | None:
    written = _text(given, name, found)
    if written is None:
        return None
    if written not in words.__members__.values():
        found.append(reason("FIELD_NOT_A_CHOICE", field=name, allowed=", ".join(allowed)))
        return None
    word = words(written)
    if word not in allowed:
        found.append(reason("FIELD_NOT_SUPPORTED", field=name, value=word.value))
        return None
    return word


def _amount(given: Mapping[str, Any], name: str, found: list[Reason]) -> Decimal | None:
    if name not in given:
        found.append(reason("FIELD_REQUIRED", field=name))
        return None
    value = money.parse(given[name])
    if value is None:
        found.append(reason("FIELD_NOT_A_NUMBER", field=name))
    elif value <= 0:
        found.append(reason("FIELD_NOT_POSITIVE", field=name))
    elif value >= AMOUNT_LIMIT:
        found.append(reason("FIELD_TOO_LARGE", field=name, limit=AMOUNT_LIMIT))
    else:
        return value
    return None


def _client_order_id(given: Mapping[str, Any], found: list[Reason]) -> str | None:
    if "client_order_id" not in given or given["client_order_id"] == "":
        return None
    written = _text(given, "client_order_id", found)
    if written is None:
        return None
    if len(written) > CLIENT_ORDER_ID_LIMIT:
        found.append(reason("FIELD_TOO_LONG", field="client_order_id", limit=CLIENT_ORDER_ID_LIMIT))
    elif not _is_readable(written):
        found.append(reason("FIELD_CHARACTERS", field="client_order_id"))
    return written


def _is_readable(text: str) -> bool:
    """Tell whether text has only characters that can be seen: no controls, no bidi or zero-width marks."""
    if text.isascii():
        return text.isprintable()
    return all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in text)


def _check_together(
    given: Mapping[str, Any], order_type: OrderType | None, side: Side | None, found: list[Reason]
) -> None:
    """Add the reasons that arise between fields."""
    if order_type is OrderType.LIMIT and "limit_price" not in given:
        found.append(reason("LIMIT_PRICE_REQUIRED"))
    if order_type is OrderType.MARKET and "limit_price" in given:
        found.append(reason("LIMIT_PRICE_NOT_ALLOWED"))
    extended_hours = given.get("extended_hours", False)
    if not isinstance(extended_hours, bool):
        found.append(reason("FIELD_NOT_BOOLEAN", field="extended_hours"))
    elif extended_hours:
        found.append(reason("FIELD_NOT_SUPPORTED", field="extended_hours", value="true"))
    if given.get("order_class", "simple") not in ("simple", ""):
        found.append(reason("FIELD_NOT_SUPPORTED", field="order_class", value=_shown(given["order_class"])))
    intent = given.get("position_intent")
    if intent is not None and (not isinstance(intent, str) or intent not in _INTENTS):
        found.append(reason("FIELD_NOT_A_CHOICE", field="position_intent", allowed=", ".join(_INTENTS)))
    elif intent is not None and side is not None and _INTENTS[intent] is not side:
        found.append(reason("FIELD_NOT_SUPPORTED", field="position_intent", value=_shown(intent)))
