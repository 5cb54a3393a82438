"""Read query parameters strictly: what cannot be understood is refused, never ignored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from django.http import QueryDict

from accounts.api.errors import Problem, ProblemError, error_of
from trading_portal.kernel.errors import reason

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_LENGTH = 4000
NOT_GIVEN_OUT = "page_token is not one that this list gave out."
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Parameters:
    """Collect every error of a query, so that a caller hears of all of them at once."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query
        self._read: list[str] = []
        self._errors: list[dict[str, object]] = []

    @classmethod
    def none(cls) -> Parameters:
        """Return the parameters of a request without any."""
        return cls(QueryDict())

    def text(self, name: str, *, limit: int = _LENGTH) -> str | None:
        """Return a parameter's text, None when it is absent or empty."""
        self._read.append(name)
        written = self._query.get(name) or None
        if written is not None and (len(written) > limit or not written.isprintable()):
            self._refuse(name, f"{name} is not readable text of at most {limit} characters.")
            return None
        return written

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str | None:
        """Return one of a few words."""
        written = self.text(name)
        if written is None:
            return default
        if written in allowed:
            return written
        self._refuse(name, f"{name} must be one of {', '.join(allowed)}.")
        return default

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        written = self.text(name)
        if written is None:
            return default
        if not _WHOLE.fullmatch(written) or not low <= int(written) <= high:
            self._refuse(name, f"{name} must be a whole number from {low} to {high}.")
            return default
        return int(written)

    def flag(self, name: str) -> bool:
        """Return true or false; absent is false."""
        written = (self.text(name) or "false").lower()
        if written not in _FLAGS:
            self._refuse(name, f"{name} must be true or false.")
        return _FLAGS.get(written, False)

    def words(self, name: str, *, at_most: int) -> list[str]:
        """Return a comma-separated list without its empty parts."""
        self._read.append(name)
        written = [word for part in self._query.getlist(name) for word in part.split(",") if word]
        if len(written) > at_most or any(not word.isprintable() for word in written):
            self._refuse(name, f"{name} must be at most {at_most} readable words.")
        return written

    def instant(self, name: str) -> datetime | None:
        """Return an instant written as RFC 3339; a bare day is its first moment, no zone means UTC."""
        written = self.text(name, limit=40)
        if written is None:
            return None
        try:
            at = datetime.fromisoformat(written)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            self._refuse(name, f"{name} must be an instant such as 2026-01-31T14:30:00Z.")
            return None

    def day(self, name: str, default: date) -> date:
        """Return a day written as 2026-01-31."""
        written = self.text(name, limit=40)
        if written is None:
            return default
        try:
            return datetime.fromisoformat(written).date()
        except ValueError:
            self._refuse(name, f"{name} must be a day such as 2026-01-31.")
            return default

    def require(self, name: str, holds: bool, sentence: str) -> None:
        """Refuse a parameter that was understood but does not do."""
        if not holds:
            self._refuse(name, sentence)

    def no_others(self) -> None:
        """Refuse every parameter that was not read so far."""
        for name in sorted(set(self._query) - set(self._read)):
            self._refuse(name, f"There is no such parameter here. There are {', '.join(self._read)}.")

    def check(self) -> None:
        """Raise ProblemError when anything was not understood."""
        if self._errors:
            raise ProblemError(Problem(422, str(self._errors[0]["sentence"]), errors=tuple(self._errors)))

    def _refuse(self, name: str, sentence: str) -> None:
        self._errors.append(error_of(reason("PARAMETER_NOT_VALID", field=name), sentence))
