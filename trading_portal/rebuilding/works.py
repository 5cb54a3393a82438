"""What is made of rebuilt accounts: differences from the tables, or lines of JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from accounts.selectors import account_ids_all
from audit.selectors import log_extents
from orders.domain.rebuilt import Unreplayable
from trading_portal.kernel.invariants import Invariant
from trading_portal.kernel.money import plain
from trading_portal.rebuilding.comparing import Difference, differences
from trading_portal.rebuilding.folding import RebuiltAccount, RebuiltRow, accounts_rebuilt
from trading_portal.rebuilding.sharing import Progress, Share, shared_out, shares_of, snapshot, unwatched

AT_ONCE = 20_000
"""Events of rebuilt accounts that are compared with one reading of the tables."""
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Moment:
    """Which accounts to rebuild (none named: all), and when: at an instant, after an event, or as of now."""

    account_ids: Collection[UUID] = ()
    until: datetime | None = None
    until_event: UUID | None = None

    def shares(self) -> list[Share]:
        """Return the parts of the log that are to be read."""
        extents = log_extents(account_ids=self.account_ids, until=self.until, until_event=self.until_event)
        return shares_of(extents, are_neighbours=not self.account_ids)


def tables_compared(
    account_ids: Collection[UUID] = (), *, processes: int = 1, progress: Progress = unwatched
) -> Iterator[Difference]:
    """Yield what the tables hold of accounts (none named: of all) otherwise than the log tells, as of now."""
    with snapshot():
        shares = Moment(account_ids).shares()
        for found in shared_out(shares, share_compared, processes=processes, progress=progress):
            yield from found
        logged = {extent.account_id for share in shares for extent in share}
        yield from differences([RebuiltAccount(key) for key in account_ids or account_ids_all() if key not in logged])


def share_compared(share: Share) -> list[Difference]:
    """Return what the tables hold of a share's accounts otherwise than the log tells."""
    found: list[Difference] = []
    waiting: list[RebuiltAccount] = []
    size = 0
    for account in accounts_rebuilt(share):
        waiting.append(account)
        size += account.sequence
        if size >= AT_ONCE:
            found += differences(waiting)
            waiting, size = [], 0
    return found + list(differences(waiting))


def accounts_told(moment: Moment, *, processes: int, progress: Progress) -> Iterator[bytes]:
    """Yield lines of JSON, a row each, that say what accounts were; raise Unreplayable where the log does not tell."""
    with snapshot():
        yield from shared_out(moment.shares(), share_told, processes=processes, progress=progress)


def share_told(share: Share) -> bytes:
    """Return a share's accounts as lines of JSON."""
    return b"".join(_line(account.account_id, row) for account in accounts_rebuilt(share) for row in _sound(account))


def _sound(account: RebuiltAccount) -> Iterator[RebuiltRow]:
    if account.trouble:
        raise Unreplayable(f"account {account.account_id}: {account.trouble}")
    return account.rows()


def _line(account_id: UUID, row: RebuiltRow) -> bytes:
    """Return a row as a line; what no event tells is named instead of written."""
    told: dict[str, object] = {"what": row.kind, "account_id": account_id}
    for name, value in row.columns.items():
        if name not in row.untold:
            told[name] = plain(value) if isinstance(value, Decimal) else value
    if row.untold:
        told["untold"] = sorted(row.untold)
    return _encoder.encode(told) + b"\n"


def _not_what_the_log_tells(accounts: Collection[UUID]) -> Iterator[tuple[object, ...]]:
    yield from tables_compared(accounts)


INVARIANT = Invariant(
    "I07",
    "orders, replaces, fills, reservations, holdings and cash = the fold of their events",
    program=_not_what_the_log_tells,
)
