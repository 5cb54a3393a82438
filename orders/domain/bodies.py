"""Decode JSON bodies: numbers exact, nothing said twice, nothing absurd."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from orders.domain.reading import shown
from trading_portal.kernel import money
from trading_portal.kernel.errors import Reason, reason

BODY_LIMIT = 1_048_576


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
        return reason("BODY_KEY_TWICE", field=shown(str(error)))
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
