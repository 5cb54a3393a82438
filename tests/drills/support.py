"""Place orders as a stubborn partner does, and look what became of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg

from trading_portal.kernel.ids import uuid7
from trading_portal.running import testing
from trading_portal.running.supervisor import Supervisor

ROOT = Path(__file__).parent.parent.parent
STALE = {"PRICE_STALE", "PRICE_MISSING"}
SYMBOLS = ("SOL/USD", "ETH/USD", "BTC/USD")
UNITS = {"SOL/USD": Decimal("0.01"), "ETH/USD": Decimal("0.001"), "BTC/USD": Decimal("0.0001")}
STUBBORN_SECONDS = 60.0
BACK_WITHIN_SECONDS = 30.0

ENDED = ("filled", "canceled", "rejected", "expired", "replaced")


@dataclass
class Placed:
    """What a run of orders was told: client_order_id to (status code, body)."""

    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    retries: int = 0

    @property
    def acknowledged(self) -> set[str]:
        """Return the orders that were answered 200."""
        return {name for name, (status, _) in self.answers.items() if status == 200}


def is_stale(answer: httpx.Response) -> bool:
    """Tell whether an order was refused for want of a fresh price, and for nothing else."""
    return answer.status_code == 403 and {why["code"] for why in answer.json()["errors"]} <= {
        "PRICE_STALE",
        "PRICE_MISSING",
    }


class Partner:
    """Place orders over HTTP, and send the same one again under the same id until it is answered.

    Every second run sells what the run before bought, so that no run meets a limit.
    """

    def __init__(self, portal: dict[str, Any]) -> None:
        self._runs = 0
        self.move_to(portal)

    def move_to(self, portal: dict[str, Any]) -> None:
        """Go on at the address that this tells, with whatever was bought so far."""
        self.portal = portal
        headers = {
            "APCA-API-KEY-ID": portal["api"]["key_id"],
            "APCA-API-SECRET-KEY": portal["api"]["secret_key"],
        }
        self._http = httpx.Client(base_url=portal["url"], headers=headers, timeout=10)

    def order(self, number: int) -> dict[str, str]:
        """Return the n-th order of a run: a market order whose quantity no other order of the run has."""
        symbol = SYMBOLS[number % len(SYMBOLS)]
        return {
            "symbol": symbol,
            "qty": str(UNITS[symbol] * (1 + number // len(SYMBOLS))),
            "side": "buy" if self._runs % 2 else "sell",
            "type": "market",
            "time_in_force": "gtc",
            "client_order_id": f"drill-{uuid7()}",
        }

    def place_stubbornly(self, order: dict[str, str], placed: Placed) -> None:
        """Send one order until the portal says yes or no."""
        deadline = time.monotonic() + STUBBORN_SECONDS
        while True:
            try:
                answer = self._http.post("/v2/orders", json=order)
                if is_stale(answer):
                    # Rightly refused while the feed comes back: another order, once there are prices again.
                    order = {**order, "client_order_id": f"drill-{uuid7()}"}
                elif answer.status_code not in (429, 500, 502, 503):
                    placed.answers[order["client_order_id"]] = (answer.status_code, answer.json())
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "the portal did not come back"
            placed.retries += 1
            time.sleep(0.1)

    def _buy_what_lacks(self, count: int) -> None:
        """Hold what a run sells: the venue may have turned orders away that came while it had no price."""
        wanted: dict[str, Decimal] = dict.fromkeys(SYMBOLS, Decimal(0))
        for number in range(count):
            order = self.order(number)
            wanted[order["symbol"]] += Decimal(order["qty"])
        deadline = time.monotonic() + STUBBORN_SECONDS
        while lacking := {symbol: part for symbol, part in self._lacking(wanted).items() if part > 0}:
            assert time.monotonic() < deadline, lacking
            for symbol, part in lacking.items():
                top_up = {"symbol": symbol, "side": "buy", "type": "market", "time_in_force": "ioc", "qty": str(part)}
                self._http.post("/v2/orders", json=top_up)
            time.sleep(0.5)

    def _lacking(self, wanted: dict[str, Decimal]) -> dict[str, Decimal]:
        held = {each["symbol"]: Decimal(each["qty"]) for each in self._http.get("/v2/positions").json()}
        return {
            symbol: part - held.get(symbol, held.get(symbol.replace("/", ""), Decimal(0)))
            for symbol, part in wanted.items()
        }

    def place_many(self, count: int, in_the_middle: Callable[[], None] | None = None, threads: int = 8) -> Placed:
        """Place orders from several threads; call `in_the_middle` once, when a third has been answered."""
        placed, once = Placed(), threading.Lock()
        self._runs += 1
        if not self._runs % 2:
            self._buy_what_lacks(count)

        def place(number: int) -> None:
            self.place_stubbornly(self.order(number), placed)
            if in_the_middle and len(placed.answers) >= count // 3 and once.acquire(blocking=False):
                in_the_middle()

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(place, range(count)))
        return placed


@contextmanager
def database(portal: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection of the test's own; wait out a database that is just coming back."""
    deadline = time.monotonic() + BACK_WITHIN_SECONDS
    while True:
        try:
            connection = psycopg.connect(portal["database_url"], autocommit=True)
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the database did not come back"
            time.sleep(0.2)
    with connection:
        yield connection


def lift_pace(portal: dict[str, Any]) -> None:
    """Let the demo accounts order faster than people do, and the same again in the next run but one."""
    with database(portal) as connection:
        connection.execute(
            "UPDATE risk_limit SET value = new.value, version = version + 1"
            " FROM (VALUES ('order_rate', 100000), ('duplicate_window', 1)) AS new(rule, value)"
            " WHERE risk_limit.rule = new.rule AND account_id IS NULL"
        )


def wait_until_quiet(portal: dict[str, Any]) -> float:
    """Wait until no order is on its way any more and pages answer; return how long that took."""
    begun = time.monotonic()
    while True:
        waiting = -1
        with database(portal) as connection:
            row = connection.execute(
                "SELECT count(*) FROM orders_order WHERE NOT base = ANY(%s)", [list(ENDED)]
            ).fetchone()
            waiting = row[0] if row else -1
        if waiting == 0 and _answers(portal):
            return time.monotonic() - begun
        assert time.monotonic() - begun < BACK_WITHIN_SECONDS, f"{waiting} orders are still open: {_open(portal)}"
        time.sleep(0.1)


def _answers(portal: dict[str, Any]) -> bool:
    try:
        return httpx.get(f"{portal['url']}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _open(portal: dict[str, Any]) -> list[Any]:
    with database(portal) as connection:
        return connection.execute(
            "SELECT o.id, o.base, o.pending, o.is_unknown, o.filled_quantity, o.quantity, i.kind, i.state"
            " FROM orders_order o LEFT JOIN orders_venueintent i ON i.order_id = o.id"
            " WHERE NOT base = ANY(%s) LIMIT 5",
            [list(ENDED)],
        ).fetchall()


def assert_nothing_lost_or_doubled(portal: dict[str, Any], placed: Placed) -> None:
    """Check every promise: acknowledged orders are there once, fills equal the venue's drop copy, invariants hold."""
    with database(portal) as connection:
        rows = connection.execute(
            "SELECT client_order_id, count(*) FROM orders_order WHERE client_order_id = ANY(%s) GROUP BY 1",
            [list(placed.answers)],
        ).fetchall()
        counts = dict(rows)
        assert {name for name in placed.acknowledged if counts.get(name) != 1} == set()
        differing = connection.execute(
            """
            SELECT coalesce(ours.exec_id, theirs.exec_id), ours.quantity, theirs.quantity
            FROM (SELECT exec_id, quantity, price FROM orders_execution WHERE venue = 'paper' AND kind = 'trade') ours
            FULL JOIN (SELECT exec_id, quantity, price FROM orders_paperreport WHERE kind = 'trade') theirs
            USING (exec_id)
            WHERE (ours.quantity, ours.price) IS DISTINCT FROM (theirs.quantity, theirs.price)
            """
        ).fetchall()
        assert differing == []
    checked = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check_invariants"],
        cwd=ROOT, env={**os.environ, **portal_environment(portal)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def portal_environment(portal: dict[str, Any]) -> dict[str, str]:
    """Return the environment that points a management command at a running portal."""
    return {"DATABASE_URL": portal["database_url"], "REDIS_URL": portal["redis_url"]}


def pid_of(portal: dict[str, Any], process: str) -> int:
    """Return the process id that a part of the portal has at the moment."""
    path = Path(portal["data_dir"]) / "portal.json"
    return int(json.loads(path.read_text())["pids"][process])


def kill(portal: dict[str, Any], process: str, signal_number: int = signal.SIGKILL) -> None:
    """Send one part of the portal a signal, -9 unless told otherwise."""
    os.kill(pid_of(portal, process), signal_number)


@contextmanager
def shared_by_two(
    portal: dict[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[Supervisor, dict[str, Any]]]:
    """Serve a portal by two uvicorn processes on one port too, and start again what dies; yield it as they serve it."""
    given, over = {**testing.web_environment(portal), **environment}, threading.Event()

    def watch(supervisor: Supervisor) -> None:
        while not over.is_set():
            supervisor.turn(0.02)

    with testing.web_processes(given, server="uvicorn", count=2) as (supervisor, address):
        watching = threading.Thread(target=watch, args=(supervisor,))
        watching.start()
        try:
            yield supervisor, {**portal, "url": f"http://{address}"}
        finally:
            over.set()
            watching.join()
