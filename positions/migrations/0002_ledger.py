"""Hold the ledger's two promises: lines are never changed, and every transaction sums to zero per currency."""

from django.db import migrations

APPEND_ONLY = """
CREATE TRIGGER positions_ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON positions_ledgerline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE, TRUNCATE ON positions_ledgerline FROM portal_app;
"""

BALANCED = """
CREATE FUNCTION positions_ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT transaction_id, currency, sum(amount) AS total INTO wrong
    FROM fresh GROUP BY transaction_id, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Ledger transaction % does not sum to zero: % %',
            wrong.transaction_id, wrong.total, wrong.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transaction_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER positions_ledger_balanced AFTER INSERT ON positions_ledgerline
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION positions_ledger_balanced();
"""


class Migration(migrations.Migration):
    """Add the ledger's triggers and take the processes' right to change it."""

    dependencies = [("positions", "0001_initial"), ("audit", "0002_append_only")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER positions_ledger_append_only ON positions_ledgerline;"),
        migrations.RunSQL(
            BALANCED,
            "DROP TRIGGER positions_ledger_balanced ON positions_ledgerline; DROP FUNCTION positions_ledger_balanced();",
        ),
    ]
