"""What must hold of money and holdings, told from their own rows."""

from __future__ import annotations

from trading_portal.kernel.invariants import Invariant, StoredTable, columns_of

INVARIANTS = (
    Invariant(
        "I09",
        "each ledger transaction sums to zero per currency",
        """
        SELECT (array_agg(account_id))[1] AS account_id, transaction_id, currency, sum(amount) AS excess
        FROM positions_ledgerline GROUP BY transaction_id, currency HAVING sum(amount) <> 0
        """,
    ),
    Invariant(
        "I10",
        "balance = sum of its ledger lines",
        """
        SELECT account_id, currency, held.balance, booked.total
        FROM positions_cashbalance AS held
        FULL JOIN (SELECT account_id, currency, sum(amount) AS total
                   FROM positions_ledgerline WHERE book = 'cash' GROUP BY account_id, currency) AS booked
            USING (account_id, currency)
        WHERE coalesce(held.balance, 0) <> coalesce(booked.total, 0)
        """,
    ),
)

# What the log must be able to make again.
TABLES = (
    StoredTable(
        "reservation",
        ("order_id",),
        columns_of(
            "r",
            """order_id instrument_id owner_id side quantity_left price limit_price is_dormant currency opened_at""",
        ),
        "FROM positions_reservation AS r WHERE r.account_id = ANY(%s)",
    ),
    StoredTable(
        "holding",
        ("instrument_id",),
        columns_of(
            "h",
            """instrument_id quantity cost average_cost realised_pnl fees day opening_quantity day_flow opened_at
            changed_at""",
        ),
        "FROM positions_holding AS h WHERE h.account_id = ANY(%s)",
    ),
    StoredTable(
        "cash",
        ("currency",),
        columns_of("c", "currency balance day opening_balance day_posted"),
        "FROM positions_cashbalance AS c WHERE c.account_id = ANY(%s)",
    ),
)
