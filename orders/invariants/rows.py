"""What must hold of orders, told from rows."""

from __future__ import annotations

from orders.invariants.moves import moves_outside_the_table
from orders.invariants.sending import IS_EXIT, SENDING
from trading_portal.kernel.invariants import Invariant

_FILLS = """
SELECT fill.*, coalesce(fill.restated_quantity, fill.quantity) AS counted, parent.instrument_id,
       CASE parent.side WHEN 'buy' THEN fill.quantity ELSE -fill.quantity END AS change
FROM orders_execution AS fill JOIN orders_order AS parent ON parent.id = fill.order_id
WHERE fill.is_live AND fill.kind <> 'trade_cancel'
"""
_LIVE = """(parent.base IN ('accepted', 'pending_new', 'new', 'partially_filled', 'stopped', 'suspended')
            OR parent.base = 'done_for_day' AND parent.time_in_force = 'gtc')"""

# What the venues that keep a drop copy with us say they traded. What is newer than this may still be on its way.
_DROP_COPIES = """
SELECT venue, order_id, exec_id, kind, quantity, price, executed_at FROM orders_paperreport
WHERE kind IN ('trade', 'trade_cancel', 'trade_correct')
UNION ALL
SELECT venue, order_id, exec_id, report ->> 'kind', (report ->> 'quantity')::numeric, (report ->> 'price')::numeric,
       (report ->> 'executed_at')::timestamptz
FROM orders_venuereportcopy WHERE report ->> 'kind' IN ('trade', 'trade_cancel', 'trade_correct')
"""
_ON_ITS_WAY = "interval '30 seconds'"

INVARIANTS = (
    Invariant(
        "I01",
        "net fills of an order >= 0, and > qty only where an over-fill anomaly names a fill of that trade",
        f"""
        SELECT parent.account_id, parent.id, parent.quantity, sum(fill.counted) AS filled
        FROM orders_order AS parent JOIN ({_FILLS}) AS fill ON fill.order_id = parent.id
        GROUP BY parent.id
        HAVING sum(fill.counted) < 0 OR sum(fill.counted) > parent.quantity AND NOT EXISTS (
            SELECT FROM audit_event AS anomaly
            JOIN orders_execution AS named ON named.id = (anomaly.payload ->> 'execution_id')::uuid
            WHERE anomaly.stream = 'order:' || parent.id AND anomaly.type = 'order.anomaly'
              AND anomaly.payload #>> '{{reason,code}}' = 'OVER_FILL'
              AND coalesce(named.trade_id, named.id) = ANY(array_agg(coalesce(fill.trade_id, fill.id))))
        """,
    ),
    Invariant(
        "I02",
        "cum = sum of live fills",
        f"""
        SELECT parent.account_id, parent.id, parent.filled_quantity, fills.quantity
        FROM orders_order AS parent
        LEFT JOIN (SELECT order_id, sum(counted) AS quantity, sum(quantity * price) AS value
                   FROM ({_FILLS}) AS fill GROUP BY order_id) AS fills ON fills.order_id = parent.id
        WHERE (parent.filled_quantity, parent.filled_value) <> (coalesce(fills.quantity, 0), coalesce(fills.value, 0))
        """,
    ),
    Invariant(
        "I03",
        "exactly one event per fill",
        """
        SELECT coalesce(fill.account_id, told.account_id) AS account_id,
               coalesce(fill.id::text, told.execution_id) AS execution_id, coalesce(told.count, 0) AS events
        FROM orders_execution AS fill
        FULL JOIN (SELECT account_id, payload ->> 'execution_id' AS execution_id, count(*) AS count FROM audit_event
                   WHERE type IN ('order.executed', 'order.busted', 'order.corrected') GROUP BY 1, 2) AS told
            ON told.execution_id = fill.id::text AND told.account_id = fill.account_id
        WHERE fill.id IS NULL OR told.count IS DISTINCT FROM 1
        """,
    ),
    Invariant(
        "I04",
        "every acknowledged submit has its order and its first event",
        """
        SELECT coalesce(parent.account_id, first.account_id) AS account_id,
               coalesce(parent.id::text, substr(first.stream, 7)) AS order_id, first.type
        FROM orders_order AS parent
        FULL JOIN (SELECT account_id, stream, type FROM audit_event
                   WHERE starts_with(stream, 'order:') AND sequence = 1) AS first
            ON first.stream = 'order:' || parent.id
        WHERE parent.id IS NULL OR first.type IS NULL
           OR first.type <> CASE WHEN parent.is_refused THEN 'order.refused' ELSE 'order.accepted' END
        """,
    ),
    Invariant(
        "I05",
        "event sequence per order 1..n without a gap",
        """
        SELECT parent.account_id, parent.id, parent.event_sequence, told.first, told.last, told.count
        FROM orders_order AS parent
        LEFT JOIN (SELECT stream, min(sequence) AS first, max(sequence) AS last, count(*) AS count
                   FROM audit_event WHERE starts_with(stream, 'order:') GROUP BY stream) AS told
            ON told.stream = 'order:' || parent.id
        WHERE (told.first, told.last, told.count) IS DISTINCT FROM (1, parent.event_sequence, parent.event_sequence)
        """,
    ),
    Invariant(
        "I05",
        "event sequence per account 1..n without a gap",
        """
        SELECT owner.id, owner.event_sequence, told.first, told.last, told.count
        FROM accounts_tradingaccount AS owner
        LEFT JOIN (SELECT account_id, min(account_sequence) AS first, max(account_sequence) AS last, count(*) AS count
                   FROM audit_event WHERE account_id IS NOT NULL GROUP BY account_id) AS told
            ON told.account_id = owner.id
        WHERE (coalesce(told.first, 1), coalesce(told.last, 0), coalesce(told.count, 0))
              <> (1, owner.event_sequence, owner.event_sequence)
        """,
    ),
    Invariant("I06", "only moves in the table", program=moves_outside_the_table),
    Invariant(
        "I07",
        "every order row = what its last event left",
        """
        SELECT parent.account_id, parent.id, parent.base, told.payload ->> 'base' AS told_base
        FROM orders_order AS parent JOIN audit_event AS told
            ON told.stream = 'order:' || parent.id AND told.sequence = parent.event_sequence
        WHERE (parent.base, parent.pending, parent.is_unknown, parent.quantity, parent.filled_quantity)
              IS DISTINCT FROM (told.payload ->> 'base', told.payload ->> 'pending',
                                (told.payload ->> 'is_unknown')::boolean, (told.payload ->> 'quantity')::numeric,
                                (told.payload ->> 'filled_quantity')::numeric)
        """,
    ),
    Invariant(
        "I07",
        "an order is what its last accepted replace made it, and waits while one is pending",
        """
        SELECT parent.account_id, parent.id, parent.pending, versions.waiting, parent.version_number, versions.number
        FROM orders_order AS parent
        LEFT JOIN (SELECT order_id, count(*) FILTER (WHERE state = 'pending') AS waiting,
                          max(number) FILTER (WHERE state = 'accepted') AS number
                   FROM orders_orderversion GROUP BY order_id) AS versions ON versions.order_id = parent.id
        LEFT JOIN orders_orderversion AS latest
            ON latest.order_id = parent.id AND latest.number = versions.number
        WHERE (parent.pending = 'replace') <> (coalesce(versions.waiting, 0) = 1)
           OR (parent.version_id, parent.version_number) IS DISTINCT FROM (latest.id, coalesce(latest.number, 1))
        """,
    ),
    Invariant(
        "I08",
        "position = sum of its fills",
        f"""
        SELECT account_id, instrument_id, held.quantity, fills.quantity AS filled
        FROM positions_holding AS held
        FULL JOIN (SELECT account_id, instrument_id, sum(change) AS quantity
                   FROM ({_FILLS}) AS fill GROUP BY account_id, instrument_id) AS fills
            USING (account_id, instrument_id)
        WHERE coalesce(held.quantity, 0) <> coalesce(fills.quantity, 0)
        """,
    ),
    Invariant(
        "I08",
        "cash made by an order = sum of its fills",
        f"""
        SELECT account_id, order_id, booked.amount, fills.amount AS filled
        FROM (SELECT account_id, reference_id AS order_id, -sum(amount) AS amount, count(*) AS count
              FROM positions_ledgerline WHERE book IN ('market', 'fees') GROUP BY account_id, reference_id) AS booked
        FULL JOIN (SELECT account_id, order_id, sum(-change * price - fee) AS amount
                   FROM ({_FILLS}) AS fill GROUP BY account_id, order_id) AS fills USING (account_id, order_id)
        WHERE abs(coalesce(booked.amount, 0) - coalesce(fills.amount, 0)) > coalesce(booked.count, 0) * 0.0000000001
        """,
    ),
    *SENDING,
    Invariant(
        "I13",
        "a terminal order holds no reservation",
        f"""
        SELECT held.account_id, held.order_id, parent.base, held.quantity_left
        FROM positions_reservation AS held LEFT JOIN orders_order AS parent ON parent.id = held.order_id
        WHERE parent.id IS NULL OR NOT ({_LIVE} OR parent.base = 'held' OR parent.pending = 'replace')
        """,
    ),
    Invariant(
        "I13",
        "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        f"""
        SELECT parent.account_id, parent.id, parent.side, leaves, held.quantity_left, held.price, parent.worst_price
        FROM orders_order AS parent CROSS JOIN LATERAL (SELECT parent.quantity - parent.filled_quantity) AS open(leaves)
        LEFT JOIN positions_reservation AS held
            ON held.order_id = parent.id AND held.account_id = parent.account_id
           AND held.instrument_id = parent.instrument_id AND held.side = parent.side
        WHERE {_LIVE} AND parent.quantity > parent.filled_quantity AND NOT ({IS_EXIT})
          AND (held.order_id IS NULL OR held.quantity_left < leaves
               OR parent.side = 'buy' AND CASE parent.pending WHEN 'replace'
                   THEN held.quantity_left * held.price < leaves * parent.worst_price
                   ELSE held.price < coalesce(parent.worst_price, parent.limit_price, held.price) END)
        """,
    ),
    Invariant(
        "I13",
        "a pending replace holds what it asks for",
        f"""
        SELECT parent.account_id, parent.id, parent.side, version.quantity - parent.filled_quantity AS leaves,
               held.quantity_left, held.price, version.worst_price
        FROM orders_order AS parent JOIN orders_orderversion AS version
            ON version.order_id = parent.id AND version.state = 'pending'
        LEFT JOIN positions_reservation AS held ON held.order_id = parent.id
        WHERE NOT ({IS_EXIT}) AND version.quantity > parent.filled_quantity
          AND (held.order_id IS NULL OR held.quantity_left < version.quantity - parent.filled_quantity
               OR parent.side = 'buy' AND held.quantity_left * held.price
                  < (version.quantity - parent.filled_quantity) * version.worst_price)
        """,
    ),
    Invariant(
        "I13",
        "the working exits of a group hold what either may still trade, once",
        f"""
        SELECT parent.account_id, min(parent.id::text) AS order_id, parent.side,
               max(parent.quantity - parent.filled_quantity) AS leaves, count(held.order_id) AS reservations,
               max(held.quantity_left) AS held
        FROM orders_order AS parent LEFT JOIN positions_reservation AS held
            ON held.order_id = parent.id AND held.account_id = parent.account_id
           AND held.instrument_id = parent.instrument_id AND held.side = parent.side
        WHERE ({IS_EXIT}) AND {_LIVE} AND parent.quantity > parent.filled_quantity
        GROUP BY parent.account_id, coalesce(parent.parent_id, parent.id), parent.side
        HAVING count(held.order_id) <> 1
            OR max(held.quantity_left) < max(parent.quantity - parent.filled_quantity)
            OR parent.side = 'buy' AND max(held.price) < max(coalesce(parent.worst_price, parent.limit_price))
        """,
    ),
    Invariant(
        "I16",
        "one key, one order",
        """
        SELECT account_id, client_order_id, count(*) AS orders FROM (
            SELECT account_id, client_order_id FROM orders_order
            UNION ALL
            SELECT parent.account_id, version.client_order_id
            FROM orders_orderversion AS version JOIN orders_order AS parent ON parent.id = version.order_id
        ) AS every_key GROUP BY account_id, client_order_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I19",
        "every trade, bust and correction in a venue's drop copy is recorded",
        f"""
        WITH copies AS ({_DROP_COPIES})
        SELECT parent.account_id, parent.id, copy.venue, copy.exec_id, copy.kind
        FROM copies AS copy JOIN orders_order AS parent ON parent.id = copy.order_id AND parent.venue = copy.venue
        WHERE copy.executed_at < now() - {_ON_ITS_WAY} AND NOT EXISTS (
            SELECT FROM orders_recordedreport AS recorded
            WHERE recorded.venue = copy.venue AND recorded.exec_id = copy.exec_id)
        """,
    ),
    Invariant(
        "I19",
        "every fill of an order that a drop copy knows is in it, as it was traded",
        f"""
        WITH copies AS ({_DROP_COPIES})
        SELECT parent.account_id, fill.order_id, fill.venue, fill.exec_id, fill.quantity, copy.quantity AS theirs
        FROM orders_execution AS fill JOIN orders_order AS parent ON parent.id = fill.order_id
        JOIN (SELECT DISTINCT venue, order_id FROM copies) AS known
            ON known.venue = fill.venue AND known.order_id = fill.order_id
        LEFT JOIN copies AS copy ON copy.venue = fill.venue AND copy.exec_id = fill.exec_id
        WHERE copy.exec_id IS NULL
           OR fill.kind <> 'trade_cancel' AND (copy.quantity, copy.price) IS DISTINCT FROM (fill.quantity, fill.price)
        """,
    ),
)
