"""Every program of bench/ runs, tiny and untimed, and hands in its figures; what is measured is not judged."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model

from bench import run
from bench.frame import Loaded
from bench.inside.provision import provision
from bench.load import LoadResult
from bench.portal import BenchPortal, used_between
from bench.report import Report
from bench.sustained import GROWS, Offered, Seen
from marketdata.models import Instrument
from orders.brokers.paper.profile import Faults
from orders.brokers.registry import ADAPTERS
from orders.hosting import line, tenure
from orders.services import venue_waker_set
from orders.tests.paper import AT_ONCE, PaperBroker
from orders.tests.venue import DEEP, Venue
from positions.tests.helpers import set_last
from tests.live import relaying, serving
from trading_portal.running import holding, postgres
from trading_portal.running.layout import DataFolder
from trading_portal.running.provision import OWNER

# Words that make a program tiny; one that is not named here is in APART, beside its own test.
TINY = {
    "alone": [],
    "bulk": ["--batch", "3", "--connections", "2"],
    "decision": ["--batches", "1", "3"],
    "growth": ["--rate", "20"],
    "hung_venue": [],
    "live": ["--rates", "50"],
    "reads": ["--rate", "50", "--positions", "1", "--open-orders", "4", "--questions", "orders", "mix"],
    "single": ["--connections", "2", "3"],
    "sustained": ["--rates", "50", "--batch", "2"],
}
ALWAYS = ["--server", "uvicorn", "--rounds", "1", "--seconds", "0.2"]
NO_LIMIT = 10**8
PASSWORD = secrets.token_urlsafe(16)


@pytest.fixture(scope="module")
def bench() -> Iterator[BenchPortal]:
    """Serve what programs need of a portal: two venues, one of which hangs, relay, prices, accounts and a person."""
    with pytest.MonkeyPatch.context() as patch, relaying(), serving("uvicorn") as address:
        patch.setattr(settings, "API_ORDERS_PER_MINUTE", NO_LIMIT)
        patch.setattr(settings, "API_REQUESTS_PER_MINUTE", NO_LIMIT)
        patch.setattr(line, "ANSWER_SECONDS", 0.5)
        patch.setattr(tenure, "JOIN_SECONDS", 0.5)
        well, sick = Venue(accounts=0), Venue(accounts=0)
        Instrument.objects.filter(symbol=sick.symbol).update(lot_size=Decimal("0.0001"))
        for instrument in Instrument.objects.filter(symbol__in=[well.symbol, sick.symbol]):
            set_last(instrument, "100")
        hangs = replace(AT_ONCE, faults=Faults(hang=0.8))
        hosts = {well.name: well.host(), sick.name: sick.host(lambda: PaperBroker(sick.name, hangs))}
        for venue in (well, sick):
            venue.show(*DEEP)
        for name in hosts:
            patch.setitem(ADAPTERS, name, lambda: None)
        venue_waker_set(lambda name: hosts[name].wake() if name in hosts else None)
        mark = f"{secrets.token_hex(4)}-"
        keys = provision(2, mark=mark)
        trader = get_user_model().objects.get(username=f"bench-{mark}0")
        trader.set_password(PASSWORD)
        trader.save()
        facts: dict[str, Any] = {
            "url": f"http://{address}",
            "database_url": os.environ["DATABASE_URL"],
            "redis_url": settings.REDIS_URL,
            "users": {"trader": {"username": trader.username, "password": PASSWORD}},
            "api": {"key_id": keys[0][0], "secret_key": keys[0][1]},
            "pids": {"web": os.getpid()},
        }
        yield BenchPortal(facts, keys, stock=well.symbol, coin=sick.symbol, venue=well.name, sick=sick.name)
        venue_waker_set(None)
        well.close()
        sick.close()
        with psycopg.connect(facts["database_url"], autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")


def sizes(bench: BenchPortal) -> list[str]:
    """Return sizes a little above what the session's other tests have left."""
    counts = "SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM accounts_tradingaccount)"
    with psycopg.connect(bench.facts["database_url"]) as connection:
        orders, accounts = connection.execute(counts).fetchone() or (0, 0)
    return ["--orders", str(orders + 10), str(orders + 40), "--crowd", str(accounts + 5), str(accounts + 15)]


@pytest.mark.parametrize("name", TINY)
async def test_a_program_runs_and_every_figure_has_a_value(name: str, bench: BenchPortal, tmp_path: Path) -> None:
    program = importlib.import_module(f"bench.{name}").PROGRAM
    words = [*ALWAYS, *TINY[name], *(sizes(bench) if name == "growth" else [])]
    report = await program.answer(bench, program.parser().parse_args(words))
    assert not [note for note in report.notes if note.startswith("Refused")]
    written = json.loads(report.finish(tmp_path).read_text())
    assert written["rows"]
    assert written["machine"]["python"]
    assert all(row["median"] >= 0 for row in written["rows"])
    assert (tmp_path / f"{name}-uvicorn.txt").read_text().startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("booked_per_second", "late", "left", "worked_off_after", "grows"),
    [(100, 0.3, 30, 0.29, False), (80, 0.3, 204, 2.54, True)],
)
def test_a_backlog_that_grows_is_told_from_one_that_stands(
    booked_per_second: int, late: float, left: int, worked_off_after: float, grows: bool
) -> None:
    placed = [number / 100 for number in range(900)]
    booked = [late + number / booked_per_second for number in range(900)]
    loaded = Loaded(LoadResult(9.0, [], {}, ""), {}, 9.0)
    seen = Seen(Offered(100, 10, 9.0), loaded, placed, booked, {}, 0.0)
    assert seen.left == (0, pytest.approx(left, abs=1))
    assert seen.worked_off_after == pytest.approx(worked_off_after, abs=0.01)
    assert (seen.growth > GROWS) == grows


def test_a_report_holds_each_rounds_figure_against_the_floor_of_that_round(tmp_path: Path) -> None:
    report = Report("it", "How fast is it?", server="daphne")
    report.add("rate", [10.0, 30.0, 20.0], unit="1/s", floor=[20.0, 40.0, 20.0], aim=25)
    report.add_latencies("answer", [[1.0, 2.0, 3.0], []])
    report.add("cost", [5.0], unit="µs", at=1000, along="orders")
    path = report.finish(tmp_path)
    rate, *answers, cost = json.loads(path.read_text())["rows"]
    assert (rate["median"], rate["ratio"], rate["aim"]) == (20.0, 0.75, 25)
    assert [row["name"] for row in answers] == ["answer p50", "answer p95", "answer p99"]
    assert (cost["at"], cost["along"]) == (1000, "orders")
    assert "answer: 1 of 2 rounds saw none." in report.table()


def test_a_child_that_ends_amid_a_reading_makes_no_process_use_less_than_nothing() -> None:
    before, after = {"web": 4.25, "postgres": 1.5}, {"web": 4.0, "postgres": 2.0, "venue": 0.5}
    assert used_between(before, after) == {"web": 0.0, "postgres": 0.5, "venue": 0.5}


def test_a_floor_of_other_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="has 2 rounds, its floor 1"):
        Report("it", "?").add("rate", [1.0, 2.0], unit="1/s", floor=[1.0])


def test_a_word_that_is_no_program_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["singel"]) == 2
    assert "there are: single, bulk" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["ws", "sse"])
def test_live_streams_are_measured_small_too(kind: str, tmp_path: Path) -> None:
    asked = ["--kind", kind, "--connections", "40", "--seconds", "1.2", "--settle", "0.2", "--folder", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "bench.connections", *asked], check=True, timeout=60)
    told = json.loads((tmp_path / f"connections-{kind}-uvicorn.json").read_text())
    found = {row["name"]: row for row in told["rows"]}
    assert (found["held"]["values"], found["held"]["floor"]) == ([40], [40])
    assert (found["lost"]["values"], found["gaps"]["values"]) == ([0], [0])
    assert found["frames"]["median"] > 20
    assert 0 <= found["age on arrival p50"]["median"] < 1000
    assert found["memory of one"]["unit"] == "kB"


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Give a database with the portal's tables, and nothing in them; copied from the session's, for it is sooner."""
    session, name = os.environ["DATABASE_URL"], f"bench_{secrets.token_hex(4)}"
    password = holding.read_secrets(DataFolder(settings.DATA_DIR))["postgres_password"]
    superuser = f"postgres://postgres:{password}@{session.rpartition('@')[2]}"
    url = f"{session.rpartition('/')[0]}/{name}"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        try:
            copy(session, url)
            yield url
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def copy(source: str, target: str) -> None:
    """Make the tables of one database in another."""
    programs = postgres.wheel_programs()
    dump = [programs / "pg_dump", "--schema-only", "--exclude-extension=*", "--dbname", source]
    load = [programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--output", os.devnull, "--dbname", target]
    tables = subprocess.run(dump, check=True, capture_output=True, timeout=60).stdout
    subprocess.run(load, check=True, input=tables, timeout=60)


def test_rebuilding_is_measured_small_too_and_only_in_an_empty_database(empty_database: str, tmp_path: Path) -> None:
    # The server and the seconds say nothing here, but `make bench` hands its words to every program.
    tiny = ["--events", "1", *ALWAYS, "--processes", "2", "--folder", str(tmp_path)]
    command = [sys.executable, "-m", "bench.rebuild", *tiny, "--database"]
    subprocess.run([*command, empty_database], check=True, timeout=60)
    told = json.loads((tmp_path / "rebuild.json").read_text())
    found = {row["name"]: row for row in told["rows"]}
    assert {"COPY", "rows", "rebuilt", "compared, 2 processes"} <= set(found)
    assert all(row["median"] > 0 for row in told["rows"] if row["unit"] == "events/s")
    assert told["settings"]["events"] > 100
    refused = subprocess.run([*command, empty_database], check=False, timeout=60, capture_output=True, text=True)
    assert (refused.returncode, "must be empty" in refused.stderr) == (1, True)


# What no word makes tiny enough for the portal above, and the test that runs it.
APART = {
    "connections": test_live_streams_are_measured_small_too,
    "rebuild": test_rebuilding_is_measured_small_too_and_only_in_an_empty_database,
}


def test_make_bench_finds_every_program_and_a_test_runs_it() -> None:
    assert run.programs() == list(run.PROGRAMS)
    assert sorted([*TINY, *APART]) == sorted(run.PROGRAMS)
