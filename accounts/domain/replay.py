"""Rebuild what a trading account is from what the log tells."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from accounts.domain.events import AccountConfigured, AccountOpened


class AccountReplay(msgspec.Struct):
    """An account as the events so far leave it."""

    number: str
    name: str
    owner_id: UUID
    base_currency: str
    is_paper: bool
    may_short: bool
    opened_at: datetime

    @classmethod
    def opened(cls, told: AccountOpened, *, at: datetime) -> AccountReplay:
        """Return an account as it was opened."""
        owner_id = UUID(told.owner_id)
        return cls(told.number, told.name, owner_id, told.base_currency, told.is_paper, told.may_short, at)

    def configure(self, told: AccountConfigured) -> None:
        """Change what the account may do."""
        self.may_short = told.may_short
