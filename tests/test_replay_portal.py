"""A whole portal plays a recording of trades, and orders fill against it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psycopg
import pytest
from django.conf import settings

from marketdata.tests.test_replay_candles import RECORDED, made_up
from trading_portal.running.testing import running_portal

SYMBOL = "XRP/ETH"
pytestmark = pytest.mark.timeout(300)

FUND = """
from decimal import Decimal
from accounts.selectors import account_by_number
from audit.domain.types import Actor
from positions.services import cash_post
from trading_portal.kernel import clock
cash_post(account_id=account_by_number("PA-000001").id, currency="ETH", amount=Decimal(1000), reason="test",
          by=Actor.system("test"), at=clock.now())
"""


def fund(portal: dict[str, Any]) -> None:
    """Pay ETH, the recording's currency, into the trader's account."""
    environment = {**os.environ, "DATABASE_URL": portal["database_url"], "REDIS_URL": portal["redis_url"]}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "-c", FUND]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def placed_and_ended(portal: dict[str, Any], order: dict[str, str]) -> dict[str, Any]:
    headers = {"APCA-API-KEY-ID": portal["api"]["key_id"], "APCA-API-SECRET-KEY": portal["api"]["secret_key"]}
    with httpx.Client(base_url=portal["url"], headers=headers, timeout=10) as client:
        deadline = time.monotonic() + 60
        answer = client.post("/v2/orders", json=order)
        # The recording's first trade may not have been played yet.
        while answer.status_code == 403 and "PRICE" in answer.text and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = client.post("/v2/orders", json=order)
        assert answer.status_code == 200, answer.text
        while time.monotonic() < deadline:
            found: dict[str, Any] = client.get(f"/v2/orders/{answer.json()['id']}").json()
            if found["status"] in ("filled", "canceled", "rejected", "expired"):
                return found
            time.sleep(0.1)
    raise AssertionError(f"the order did not end: {found}")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if RECORDED.exists():
        return RECORDED
    folder = tmp_path_factory.mktemp("recording")
    folder.chmod(0o755)
    return made_up(folder / "trades.csv", seed=1)


def test_orders_fill_against_a_recording_whose_times_are_kept(recording: Path) -> None:
    prices = pd.read_csv(recording, dtype=str)["price"].map(Decimal)
    spread = Decimal("0.001")
    replaying = {
        "PORTAL_FEED": "replay", "PORTAL_REPLAY_FILE": str(recording), "PORTAL_REPLAY_SYMBOL": SYMBOL,
        "PORTAL_REPLAY_SPEED": "60", "PORTAL_REPLAY_LOOP": "1",
    }  # fmt: skip
    with running_portal(**replaying) as portal:
        fund(portal)
        bought = placed_and_ended(
            portal, {"symbol": SYMBOL, "qty": "20", "side": "buy", "type": "market", "time_in_force": "gtc"}
        )
        sold = placed_and_ended(
            portal, {"symbol": SYMBOL, "qty": "5", "side": "sell", "type": "market", "time_in_force": "gtc"}
        )
        with psycopg.connect(portal["database_url"]) as connection:
            row = connection.execute(
                "SELECT q.executed_at, q.is_synthetic FROM marketdata_quote q"
                " JOIN marketdata_instrument i ON i.id = q.instrument_id WHERE i.symbol = %s",
                [SYMBOL],
            ).fetchone()
    for order in (bought, sold):
        assert order["status"] == "filled"
        price = Decimal(order["filled_avg_price"])
        assert prices.min() * (1 - spread) <= price <= prices.max() * (1 + spread)
    assert row is not None
    recorded_at, is_synthetic = row
    assert recorded_at.year == pd.to_datetime(pd.read_csv(recording)["time"].iloc[0]).year
    assert is_synthetic
