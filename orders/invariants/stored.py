"""Name what the tables hold of orders that the log must be able to make again.

Left out is what no event tells: the hash of the command and the API key that an order came with.
"""

from __future__ import annotations

from trading_portal.kernel.invariants import StoredTable, columns_of

TABLES = (
    StoredTable(
        "order",
        ("id",),
        columns_of(
            "o",
            """id instrument_id client_order_id side type time_in_force quantity limit_price stop_price
            extended_hours notional trail_price trail_percent order_class parent_id leg base pending is_unknown
            is_closed filled_quantity filled_value average_price worst_price is_refused venue venue_order_id source
            correlation_id version_number version_id event_sequence placed_at expires_at routed_at filled_at ended_at
            updated_at""",
            schedule="o.schedule::text",
            reasons="o.reasons::text",
        ),
        "FROM orders_order AS o WHERE o.account_id = ANY(%s)",
        documents=frozenset(("schedule", "reasons")),
    ),
    StoredTable(
        "replace",
        ("id",),
        columns_of(
            "v",
            """id order_id number client_order_id replaces quantity limit_price stop_price trail_price trail_percent
            time_in_force expires_at worst_price state requested_at accepted_at rejected_at replaced_at""",
            was="v.was::text",
            reasons="v.reasons::text",
        ),
        "FROM orders_orderversion AS v WHERE v.account_id = ANY(%s)",
        documents=frozenset(("was", "reasons")),
    ),
    StoredTable(
        "execution",
        ("id",),
        columns_of(
            "e",
            """id order_id venue exec_id ref_exec_id kind trade_id is_live quantity price fee executed_at
            recorded_at""",
            # What a fill that no longer stands counts for is nobody's to know.
            counted="CASE WHEN e.is_live THEN coalesce(e.restated_quantity, e.quantity) END",
        ),
        "FROM orders_order AS o JOIN orders_execution AS e ON e.order_id = o.id WHERE o.account_id = ANY(%s)",
        owner="e.account_id",
    ),
)
