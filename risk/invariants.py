"""What must hold of decisions and of those who change limits, told from their own rows."""

from __future__ import annotations

from trading_portal.kernel.invariants import Invariant

INVARIANTS = (
    # The age of an order like this one may exceed its window: that is what lets it by.
    Invariant(
        "I11",
        "no approval raised exposure above the limit version it names",
        """
        SELECT account_id, order_id, judged->>'rule' AS rule, judged->>'value' AS value, judged->>'limit' AS allowed
        FROM risk_decision CROSS JOIN LATERAL jsonb_array_elements(checks) AS judged
        WHERE is_approved AND judged->>'rule' <> 'duplicate_window'
          AND (coalesce(judged->>'verdict', 'passed') = 'breached'
               OR (coalesce(judged->>'verdict', 'passed') IN ('passed', 'warned')
                   AND (judged->>'value')::numeric > (judged->>'limit')::numeric))
        """,
    ),
    Invariant(
        "I20",
        "every loosened limit has two different people, and reverted when due",
        """
        SELECT account_id, id, 'approved by its proposer' AS what FROM risk_changerequest
        WHERE state = 'approved' AND decided_by_id IS NOT DISTINCT FROM proposed_by_id
        UNION ALL
        SELECT account_id, id, 'not reverted' FROM risk_changerequest
        WHERE state = 'approved' AND reverted_at IS NULL AND reverts_at < now() - interval '1 minute'
        UNION ALL
        SELECT account_id, id, 'still temporary' FROM risk_limit
        WHERE temporary_until < now() - interval '1 minute'
        """,
    ),
)
