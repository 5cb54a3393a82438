"""Name what the tables hold of accounts that the log must be able to make again; no event tells of its status."""

from __future__ import annotations

from trading_portal.kernel.invariants import StoredTable, columns_of

TABLES = (
    StoredTable(
        "account",
        (),
        columns_of("a", "number name owner_id base_currency is_paper may_short opened_at event_sequence"),
        "FROM accounts_tradingaccount AS a WHERE a.id = ANY(%s)",
        owner="a.id",
    ),
)
