"""Read the fields of a body one by one, and keep every reason why one cannot be believed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from trading_portal.kernel import money
from trading_portal.kernel.errors import Fact, Reason, reason
from trading_portal.kernel.money import AMOUNT_LIMIT

CLIENT_ORDER_ID_LIMIT = 128
_SHOWN = 40
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,23}", re.ASCII)
# RFC 3339: a date alone, a week or a missing offset would leave open which instant is meant.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)


def shown(text: object) -> str:
    """Return text short and plain enough to repeat to its sender."""
    return "".join(char if char.isprintable() else "?" for char in str(text)[:_SHOWN])


@dataclass(slots=True)
class Reader:
    """Hold what an object says and what is wrong with it; fields said to be null are not there.

    `inside` names the field that holds the object, when it stands within another.
    """

    given: dict[str, Any]
    found: list[Reason] = field(default_factory=list)
    inside: str = ""

    @classmethod
    def of(
        cls, body: Mapping[str, Any], known: frozenset[str], found: list[Reason] | None = None, inside: str = ""
    ) -> Reader:
        """Return a reader of an object, which may name only known fields."""
        given = {name: value for name, value in body.items() if value is not None}
        reader = cls(given, [] if found is None else found, inside)
        for name in given:
            if name not in known:
                reader.refuse("FIELD_UNKNOWN", field=reader.path(name))
        return reader

    def path(self, name: str) -> str:
        """Return a field's name as its sender finds it."""
        return shown(f"{self.inside}.{name}" if self.inside else name)

    def refuse(self, code: str, /, **facts: Fact) -> None:
        """Keep a reason."""
        self.found.append(reason(code, **facts))

    def has(self, name: str) -> bool:
        """Tell whether a field is there."""
        return name in self.given

    def text(self, name: str) -> str | None:
        """Return text that must be there."""
        value = self.given.get(name)
        if value is None:
            self.refuse("FIELD_REQUIRED", field=self.path(name))
        elif not isinstance(value, str):
            self.refuse("FIELD_NOT_TEXT", field=self.path(name))
        else:
            return value
        return None

    def symbol(self) -> str | None:
        """Return the symbol, written as symbols are."""
        symbol = self.text("symbol")
        if symbol is not None and not _SYMBOL.fullmatch(symbol):
            self.refuse("SYMBOL_UNKNOWN", symbol=shown(symbol))
        return symbol

    def choice(self, name: str, words: type[Choice]) -> Choice | None:
        """Return one of some words."""
        written = self.text(name)
        if written is None:
            return None
        chosen = _words(words).get(written)
        if chosen is None:
            self.refuse("FIELD_NOT_A_CHOICE", field=self.path(name), allowed=_listed(tuple(words)))
        return chosen

    def choice_if_given(self, name: str, words: type[Choice]) -> Choice | None:
        """Return one of some words, or None where the field is not there."""
        return self.choice(name, words) if name in self.given else None

    def amount(self, name: str) -> Decimal | None:
        """Return a plain number above zero that must be there."""
        if name not in self.given:
            self.refuse("FIELD_REQUIRED", field=self.path(name))
            return None
        value = money.parse(self.given[name])
        if value is None:
            self.refuse("FIELD_NOT_A_NUMBER", field=self.path(name))
        elif value <= 0:
            self.refuse("FIELD_NOT_POSITIVE", field=self.path(name))
        elif value >= AMOUNT_LIMIT:
            self.refuse("FIELD_TOO_LARGE", field=self.path(name), limit=AMOUNT_LIMIT)
        else:
            return value
        return None

    def amount_if_given(self, name: str) -> Decimal | None:
        """Return a plain number above zero, or None where the field is not there."""
        return self.amount(name) if name in self.given else None

    def count_if_given(self, name: str, *, at_most: int) -> int | None:
        """Return a whole number from 1, or None where the field is not there."""
        value = self.amount_if_given(name)
        if value is None:
            return None
        if value != value.to_integral_value() or value > at_most:
            self.refuse("FIELD_NOT_A_COUNT", field=self.path(name), limit=at_most)
            return None
        return int(value)

    def flag(self, name: str) -> bool:
        """Return true or false; a field that is not there is false."""
        value = self.given.get(name, False)
        if isinstance(value, bool):
            return value
        self.refuse("FIELD_NOT_BOOLEAN", field=self.path(name))
        return False

    def instant_if_given(self, name: str) -> datetime | None:
        """Return an RFC 3339 instant in UTC, or None where the field is not there."""
        if name not in self.given:
            return None
        written = self.text(name)
        if written is None:
            return None
        instant = _instant(written)
        if instant is None:
            self.refuse("FIELD_NOT_AN_INSTANT", field=self.path(name))
        return instant

    def client_order_id(self) -> str | None:
        """Return the sender's own id of the order; an empty one is none."""
        if self.given.get("client_order_id", "") == "":
            return None
        written = self.text("client_order_id")
        if written is None:
            return None
        if len(written) > CLIENT_ORDER_ID_LIMIT:
            self.refuse("FIELD_TOO_LONG", field="client_order_id", limit=CLIENT_ORDER_ID_LIMIT)
        elif not _is_readable(written):
            self.refuse("FIELD_CHARACTERS", field="client_order_id")
        return written

    def word_if_given(self, name: str, *, at_most: int) -> str | None:
        """Return a short name, or None where the field is not there."""
        written = self.text(name) if name in self.given else None
        if written is None:
            return None
        if len(written) > at_most:
            self.refuse("FIELD_TOO_LONG", field=self.path(name), limit=at_most)
        elif not written or not written.isascii() or not written.isprintable():
            self.refuse("FIELD_CHARACTERS", field=self.path(name))
        return written

    def inner(self, name: str, known: frozenset[str]) -> Reader | None:
        """Return a reader of an object within this one, or None where the field is not there."""
        if name not in self.given:
            return None
        value = self.given[name]
        if not isinstance(value, Mapping):
            self.refuse("FIELD_NOT_AN_OBJECT", field=self.path(name))
            return None
        return Reader.of(value, known, self.found, inside=name)


@cache
def _words(words: type[Choice]) -> dict[str, Choice]:
    """Return the members by what is written for them: a look-up costs a tenth of what calling the enumeration does."""
    return {word.value: word for word in words}


def _listed(words: Sequence[StrEnum]) -> str:
    return ", ".join(words)


def _instant(written: str) -> datetime | None:
    if not _INSTANT.fullmatch(written):
        return None
    try:
        return datetime.fromisoformat(written.upper().replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_readable(text: str) -> bool:
    """Tell whether text has only characters that can be seen: no controls, no bidi or zero-width marks."""
    if text.isascii():
        return text.isprintable()
    return all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in text)
