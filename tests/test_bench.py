"""The floor that speed is held against writes what an accepted order writes, in the tables as they are."""

import json
import subprocess
import sys

import pytest
from django.db import connection, transaction

from bench.floor import PREPARE, SCRIPT
from orders.tests.desk import Desk
from positions.tests.helpers import new_instrument, rows

WRITTEN = ("orders_order", "orders_venueintent", "risk_decision", "risk_orderfingerprint", "positions_reservation")


def counts():
    return {table: rows(f"SELECT count(*) FROM {table}")[0][0] for table in WRITTEN}


def test_the_floors_script_fits_the_schema():
    desk = Desk()
    desk.place_all([desk.command(quantity=1)])
    if not rows("SELECT id FROM marketdata_instrument WHERE symbol = 'AAPL'"):
        new_instrument("AAPL")
    # What pgbench itself says and sets is left out; the rest is the database's.
    script = SCRIPT[SCRIPT.index("SELECT event_sequence") : SCRIPT.index("COMMIT")]
    script = script.replace(":account::uuid", f"'{desk.account}'::uuid").replace(":n::int", "3")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")  # the application's own role makes no tables
        cursor.execute(PREPARE.replace("%%", "%").replace("ANALYZE;", ""))
        before = counts()
        cursor.execute(script)
        assert counts() == {table: count + 3 for table, count in before.items()}
        transaction.set_rollback(True)


@pytest.mark.parametrize("kind", ["ws", "sse"])
def test_live_streams_are_measured_small_too(kind, tmp_path):
    asked = ["--kind", kind, "--connections", "40", "--seconds", "1.2", "--settle", "0.2", "--folder", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "bench.connections", *asked], check=True, timeout=60)
    told = json.loads((tmp_path / f"connections-{kind}-uvicorn.json").read_text())
    found = {row["name"]: row for row in told["rows"]}
    assert (found["held"]["values"], found["held"]["floor"]) == ([40], [40])
    assert (found["lost"]["values"], found["gaps"]["values"]) == ([0], [0])
    assert found["frames"]["median"] > 20
    assert 0 <= found["age on arrival p50"]["median"] < 1000
    assert found["memory of one"]["unit"] == "kB"
