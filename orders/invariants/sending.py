"""What must hold of everything that was handed to a venue, told from rows and from the log."""

from __future__ import annotations

from trading_portal.kernel.invariants import Invariant

# Take-profit and stop close the same units, which one of them holds for both.
IS_EXIT = "parent.leg <> '' OR parent.order_class = 'oco'"

# What was handed to a venue, when, and under which decision. An intent knows its last time; the order its first, which
# I07 holds against the log. Nothing tells when a replace was sent before its last time.
_HANDED = """
SELECT intent.order_id, coalesce(intent.version_id, intent.order_id) AS own_id, intent.venue, intent.sent_at
FROM orders_venueintent AS intent WHERE intent.kind <> 'cancel' AND intent.sent_at IS NOT NULL
UNION
SELECT id, id, venue, routed_at FROM orders_order WHERE routed_at IS NOT NULL
"""
# A switch holds from the commit of its latch to that of its release, and a claim looks for it once it has its locks;
# but all three write down when they began. So what a true gateway sent may bear an instant up to a latch's length
# after `latched_at`, or up to a claim's length before `released_at`. Each may wait for a transaction that stands still,
# then stand still itself, and PostgreSQL ends those after 30 s (idle_in_transaction_session_timeout): twice that is let
# by; clocks of several machines differ by less. Who stops between its clock and its first statement is not bound by it.
_LATCHING = "interval '1 minute'"
# A switch is looked up by what is rarest of its scope, once all that was sent is at hand: a million orders meet those
# of their own account and instrument, and those of everybody, which are few.
_EVERY = "'00000000-0000-0000-0000-000000000000'::uuid"

SENDING = (
    # A leg, and a replace that only takes from an exit, hang on the decision on the order that their group began with.
    # Nothing is due before the instant it was decided at, nor claimed before it is due: two clocks make no difference.
    Invariant(
        "I12",
        "nothing is sent without an earlier approval",
        f"""
        SELECT parent.account_id, parent.id, handed.own_id, handed.sent_at, own.is_approved, own.decided_at
        FROM ({_HANDED}) AS handed JOIN orders_order AS parent ON parent.id = handed.order_id
        LEFT JOIN risk_decision AS own ON own.order_id = handed.own_id
        WHERE CASE WHEN own.order_id IS NOT NULL THEN NOT own.is_approved OR own.decided_at > handed.sent_at
                   ELSE NOT EXISTS (
                       SELECT FROM risk_decision AS root
                       WHERE root.order_id = coalesce(parent.parent_id, parent.id) AND ({IS_EXIT})
                         AND root.is_approved AND root.decided_at <= handed.sent_at) END
        """,
    ),
    Invariant(
        "I12",
        "nothing but cancels is sent while its scope is killed",
        f"""
        WITH sent AS MATERIALIZED (
            SELECT parent.account_id, parent.instrument_id, handed.*
            FROM ({_HANDED}) AS handed JOIN orders_order AS parent ON parent.id = handed.order_id
            WHERE EXISTS (SELECT FROM risk_killswitch)
        )
        SELECT sent.account_id, sent.order_id, sent.own_id, sent.sent_at, switch.id AS switch, switch.latched_at
        FROM sent CROSS JOIN LATERAL unnest(ARRAY[sent.account_id, sent.instrument_id, {_EVERY}]) AS scope(id)
        JOIN risk_killswitch AS switch
            ON coalesce(switch.account_id, switch.instrument_id, {_EVERY}) = scope.id
           AND coalesce(switch.instrument_id, sent.instrument_id) = sent.instrument_id
           AND switch.venue IN ('', sent.venue)
           AND sent.sent_at >= switch.latched_at + {_LATCHING}
           AND sent.sent_at < coalesce(switch.released_at, 'infinity') - {_LATCHING}
        """,
    ),
    # Whoever latches or releases for an account, or sends for it, holds its lock: its log tells what came first, to the
    # event, which clocks cannot. A replace, and an order that is sent again, leave no event when they go.
    Invariant(
        "I12",
        "no order goes out between an account's switch and its release, as its log tells",
        """
        SELECT switch.account_id, parent.id, routed.account_sequence, switch.id AS switch, latched.account_sequence
        FROM risk_killswitch AS switch JOIN audit_event AS latched
            ON latched.stream = 'kill_switch:' || switch.id AND latched.type = 'kill_switch.latched'
        LEFT JOIN audit_event AS released
            ON released.stream = latched.stream AND released.type = 'kill_switch.released'
        JOIN audit_event AS routed
            ON routed.account_id = switch.account_id AND routed.account_sequence > latched.account_sequence
           AND routed.account_sequence < coalesce(released.account_sequence, 9223372036854775807)
           AND routed.type = 'order.routed'
        JOIN orders_order AS parent ON parent.id = substr(routed.stream, 7)::uuid
        WHERE coalesce(switch.instrument_id, parent.instrument_id) = parent.instrument_id
          AND switch.venue IN ('', routed.payload ->> 'venue')
        """,
    ),
)
