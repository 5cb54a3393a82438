"""A corruption for every invariant: its code, its sentence, and SQL over one seeded order that breaks it."""

EVENTS = "stream = 'order:' || %(order_id)s"
LOOSENED = """
INSERT INTO risk_changerequest (id, kind, target_id, target_version, account_id, before, after, reason, state,
                                proposed_by_id, proposed_at, decided_by_id, decided_at, decision_reason, reverts_at)
SELECT uuidv7(), 'limit', uuidv7(), 1, id, '{{}}', '{{}}', '', 'approved', owner_id, now(), owner_id, now(), '', {when}
FROM accounts_tradingaccount WHERE id = %(account_id)s
"""
VERSION = """
INSERT INTO orders_orderversion (id, order_id, account_id, number, client_order_id, command_hash, replaces, quantity,
                                 time_in_force, worst_price, reasons, state, requested_at)
VALUES (uuidv7(), %(order_id)s, %(account_id)s, 2, %(client_order_id)s, '', %(order_id)s, 1000, 'gtc', 100, '[]',
        '{state}', now())
"""
APPROVED = "nothing is sent without an earlier approval"
KILLED = "nothing but cancels is sent while its scope is killed"
LOGGED = "no order goes out between an account's switch and its release, as its log tells"
REPLACE_SENT = (
    VERSION.format(state="pending")
    + """;
INSERT INTO orders_venueintent (order_id, venue, kind, state, version_id, attempts, due_at, sent_at)
SELECT order_id, 'paper', 'replace', 'sent', id, 1, now(), now() + interval '1 hour' FROM orders_orderversion
WHERE order_id = %(order_id)s
"""
)
VERSION_DECIDED = """
INSERT INTO risk_decision (order_id, account_id, instrument_id, is_approved, inputs, checks, reasons, decided_at)
SELECT id, account_id, %(instrument_id)s, {approved}, '{{}}', '[]', '[]', now() FROM orders_orderversion
WHERE order_id = %(order_id)s
"""
# Account, instrument and venue: each alone, all together, and the firm.
SCOPES = ("account_id, NULL, ''", "NULL, instrument_id, ''", "NULL, NULL, venue", "account_id, instrument_id, venue",
          "NULL, NULL, ''")  # fmt: skip
LATCHED = """
INSERT INTO risk_killswitch (id, account_id, instrument_id, venue, reason, version, latched_by_id, latched_at,
                             released_at, released_by_id, orders_to_cancel)
SELECT uuidv7(), {scope}, 'x', 1, owner_id, routed_at + interval '{latched}', released_at,
       CASE WHEN released_at IS NOT NULL THEN owner_id END, 0
FROM orders_order JOIN (SELECT id AS owned, owner_id FROM accounts_tradingaccount) AS owned ON owned = account_id
CROSS JOIN LATERAL (SELECT ({released})::timestamptz AS released_at) AS release
WHERE id = %(order_id)s
"""
# The account's log says that its switch was latched, and then that its order went out.
TOLD_BEFORE = f"""
UPDATE audit_event SET account_sequence = 99 WHERE sequence = 2 AND {EVENTS};
INSERT INTO audit_event SELECT uuidv7(), xid, 'kill_switch:' || switch_id, 1, account_id, 98, 'kill_switch.latched',
    version, payload, actor, correlation_id, causation_id, valid_at, recorded_at
FROM audit_event CROSS JOIN (SELECT id AS switch_id FROM risk_killswitch WHERE account_id = %(account_id)s) AS switch
WHERE sequence = 2 AND {EVENTS}
"""
CORRUPTIONS = [
    (
        "I01", "net fills of an order >= 0, and > qty only where an over-fill anomaly names a fill of that trade",
        "UPDATE orders_execution SET quantity = 11 WHERE id = %(execution_id)s",
    ),
    ("I02", "cum = sum of live fills", "UPDATE orders_order SET filled_quantity = 5 WHERE id = %(order_id)s"),
    ("I02", "cum = sum of live fills", "UPDATE orders_order SET filled_value = 1 WHERE id = %(order_id)s"),
    ("I03", "exactly one event per fill", f"DELETE FROM audit_event WHERE sequence = 4 AND {EVENTS}"),
    (
        "I03", "exactly one event per fill",
        "INSERT INTO audit_event SELECT uuidv7(), xid, stream, 5, account_id, 99, type, version, payload, actor, "
        f"correlation_id, causation_id, valid_at, recorded_at FROM audit_event WHERE sequence = 4 AND {EVENTS}",
    ),
    ("I03", "exactly one event per fill", "DELETE FROM orders_execution WHERE id = %(execution_id)s"),
    (
        "I03", "exactly one event per fill",
        "UPDATE orders_execution SET account_id = uuidv7() WHERE id = %(execution_id)s",
    ),
    (
        "I04", "every acknowledged submit has its order and its first event",
        f"DELETE FROM audit_event WHERE sequence = 1 AND {EVENTS}",
    ),
    (
        "I04", "every acknowledged submit has its order and its first event",
        "DELETE FROM orders_execution WHERE id = %(execution_id)s; "
        "DELETE FROM orders_venueintent WHERE order_id = %(order_id)s; "
        "DELETE FROM orders_order WHERE id = %(order_id)s",
    ),
    (
        "I05", "event sequence per order 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 3 AND {EVENTS}",
    ),
    (
        "I05", "event sequence per order 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 4 AND {EVENTS}",
    ),
    (
        "I05", "event sequence per account 1..n without a gap",
        f"DELETE FROM audit_event WHERE sequence = 2 AND {EVENTS}",
    ),
    (
        "I06", "only moves in the table",
        """UPDATE audit_event SET payload = payload || '{"base": "filled"}' WHERE sequence = 3 AND """ + EVENTS,
    ),
    ("I06", "only moves in the table", f"DELETE FROM audit_event WHERE sequence = 2 AND {EVENTS}"),
    (
        "I06", "only moves in the table",
        f"UPDATE audit_event SET payload = payload - 'fill_quantity' WHERE sequence = 4 AND {EVENTS}",
    ),
    (
        "I07", "every order row = what its last event left",
        "UPDATE orders_order SET base = 'filled' WHERE id = %(order_id)s",
    ),
    (
        "I07", "orders, replaces, fills, reservations, holdings and cash = the fold of their events",
        "UPDATE positions_holding SET realised_pnl = 1 WHERE account_id = %(account_id)s",
    ),
    (
        "I08", "position = sum of its fills",
        "UPDATE positions_holding SET quantity = 5 WHERE account_id = %(account_id)s",
    ),
    ("I08", "position = sum of its fills", "DELETE FROM positions_holding WHERE account_id = %(account_id)s"),
    (
        "I08", "cash made by an order = sum of its fills",
        "UPDATE positions_ledgerline SET amount = amount * 2 WHERE transaction_id = %(execution_id)s",
    ),
    (
        "I08", "cash made by an order = sum of its fills",
        "DELETE FROM positions_ledgerline WHERE transaction_id = %(execution_id)s",
    ),
    (
        "I09", "each ledger transaction sums to zero per currency",
        "UPDATE positions_ledgerline SET currency = 'EUR' WHERE book = 'fees' "
        "AND transaction_id = %(execution_id)s",
    ),
    (
        "I10", "balance = sum of its ledger lines",
        "UPDATE positions_cashbalance SET balance = balance + 0.0000000001 WHERE account_id = %(account_id)s",
    ),
    (
        "I10", "balance = sum of its ledger lines",
        "DELETE FROM positions_cashbalance WHERE account_id = %(account_id)s",
    ),
    (
        "I11", "no approval raised exposure above the limit version it names",
        """UPDATE risk_decision SET checks = '[{"rule": "max_notional", "value": "100.01", "limit": "100"}]' """
        "WHERE order_id = %(order_id)s",
    ),
    ("I12", APPROVED, "DELETE FROM risk_decision WHERE order_id = %(order_id)s"),
    ("I12", APPROVED, "UPDATE risk_decision SET is_approved = false WHERE order_id = %(order_id)s"),
    (
        "I12", APPROVED,
        "UPDATE risk_decision SET decided_at = decided_at + interval '1 us' WHERE order_id = %(order_id)s",
    ),
    # Sent first before it was approved, and again after it; and only an intent that says that it was sent at all.
    (
        "I12", APPROVED,
        "UPDATE risk_decision SET decided_at = decided_at + interval '1 second' WHERE order_id = %(order_id)s; "
        "UPDATE orders_venueintent SET sent_at = sent_at + interval '1 minute' WHERE order_id = %(order_id)s",
    ),
    (
        "I12", APPROVED,
        "DELETE FROM risk_decision WHERE order_id = %(order_id)s; "
        "UPDATE orders_order SET routed_at = NULL WHERE id = %(order_id)s",
    ),
    ("I12", APPROVED, REPLACE_SENT),
    ("I12", APPROVED, REPLACE_SENT + "; " + VERSION_DECIDED.format(approved="false")),
    *[("I12", KILLED, LATCHED.format(scope=scope, latched="-1 hour", released="NULL")) for scope in SCOPES],
    (
        "I12", KILLED,
        LATCHED.format(scope=SCOPES[0], latched="-62 seconds", released="routed_at + interval '62 seconds'"),
    ),
    # Sent while it was killed, then again once it was not.
    (
        "I12", KILLED,
        LATCHED.format(scope=SCOPES[0], latched="-1 hour", released="routed_at + interval '1 hour'")
        + "; UPDATE orders_venueintent SET sent_at = sent_at + interval '2 hours' WHERE order_id = %(order_id)s",
    ),
    (
        "I12", KILLED,
        REPLACE_SENT + "; " + VERSION_DECIDED.format(approved="true") + "; "
        + LATCHED.format(scope=SCOPES[0], latched="1 second", released="NULL"),
    ),
    ("I12", LOGGED, LATCHED.format(scope=SCOPES[0], latched="0", released="NULL") + "; " + TOLD_BEFORE),
    (
        "I13", "a terminal order holds no reservation",
        "UPDATE orders_order SET base = 'canceled' WHERE id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "DELETE FROM positions_reservation WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "UPDATE positions_reservation SET quantity_left = 5 WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "an open or unknown buy holds >= leaves x worst price, a sell >= leaves shares",
        "UPDATE positions_reservation SET price = 99 WHERE order_id = %(order_id)s",
    ),
    (
        "I13", "the working exits of a group hold what either may still trade, once",
        "WITH gone AS (DELETE FROM positions_reservation WHERE order_id = %(order_id)s) "
        "UPDATE orders_order SET order_class = 'oco' WHERE id = %(order_id)s",
    ),
    (
        "I20", "every loosened limit has two different people, and reverted when due",
        "ALTER TABLE risk_changerequest DROP CONSTRAINT change_approved_by_another_person; "
        + LOOSENED.format(when="NULL"),
    ),
    (
        "I20", "every loosened limit has two different people, and reverted when due",
        "ALTER TABLE risk_changerequest DROP CONSTRAINT change_approved_by_another_person; "
        + LOOSENED.format(when="now() - interval '1 hour'"),
    ),
    (
        "I16", "one key, one order",
        VERSION.format(state="rejected"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        VERSION.format(state="pending"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        VERSION.format(state="accepted"),
    ),
    (
        "I07", "an order is what its last accepted replace made it, and waits while one is pending",
        "UPDATE orders_order SET version_id = uuidv7() WHERE id = %(order_id)s",
    ),
    ("I13", "a pending replace holds what it asks for", VERSION.format(state="pending")),
    (
        "I19", "every trade, bust and correction in a venue's drop copy is recorded",
        "INSERT INTO orders_paperreport (venue, order_id, exec_id, kind, quantity, price, fee, reason, executed_at) "
        "SELECT venue, id, 'not-recorded', 'trade', 1, 99, 0, '', now() - interval '1 hour' "
        "FROM orders_order WHERE id = %(order_id)s",
    ),
    (
        "I19", "every fill of an order that a drop copy knows is in it, as it was traded",
        "INSERT INTO orders_paperreport (venue, order_id, exec_id, kind, quantity, price, fee, reason, executed_at) "
        "SELECT venue, id, 'not-recorded', 'trade', 1, 99, 0, '', now() - interval '1 hour' "
        "FROM orders_order WHERE id = %(order_id)s",
    ),
]  # fmt: skip
