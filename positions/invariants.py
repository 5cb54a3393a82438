"""What must hold of money and holdings, told from their own rows."""

from __future__ import annotations

from trading_portal.kernel.invariants import Invariant

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
