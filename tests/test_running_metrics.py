"""A whole portal's metrics: what its venue process counts is told by its web process, to whoever read portal.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.scraping import Scrape, scraped
from tests.test_running_portal import NAMES, wait_until
from trading_portal.kernel.ids import uuid7

RECORDED = "portal_venue_reports_recorded_total"


def test_one_scrape_tells_of_every_process_of_the_portal(portal: dict[str, Any]) -> None:
    def scrape() -> Scrape:
        return scraped(urlsplit(portal["url"]).netloc, portal["metrics_token"])

    before = scrape()
    body = {"symbol": "BTC/USD", "qty": "0.01", "side": "buy", "type": "market", "time_in_force": "gtc"}
    headers = {"APCA-API-KEY-ID": portal["api"]["key_id"], "APCA-API-SECRET-KEY": portal["api"]["secret_key"]}
    order = {**body, "client_order_id": str(uuid7())}
    answer = httpx.post(f"{portal['url']}/v2/orders", json=order, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    wait_until(lambda: scrape().value(RECORDED, venue="paper") > before.value(RECORDED, venue="paper"), seconds=20)
    wait_until(lambda: scrape().value("portal_venue_messages_due", venue="paper") == 0, seconds=20)
    after = scrape()
    name = "portal_placement_batch_orders_sum"
    assert after.value(name) >= before.value(name) + 1
    assert after.value("portal_venue_breaker", venue="smart", state="closed") == 1
    assert after.labels("portal_relay_lag_seconds", "consumer") == {"browser", "kill_switch"}
    files = (Path(portal["data_dir"]) / "metrics").iterdir()
    named = {file.stem.rpartition("_")[2] for file in files}
    assert named == NAMES - {"supervisor", "postgres", "valkey"}


def test_the_token_is_this_portal_s_own(portal: dict[str, Any]) -> None:
    assert len(portal["metrics_token"]) >= 40
    for token in ("", portal["api"]["secret_key"]):
        answer = httpx.get(f"{portal['url']}/metrics", headers={"X": "y", "Authorization": f"Bearer {token}x"})
        assert answer.status_code == 401
    assert httpx.get(f"{portal['url']}/metrics").status_code == 401


@pytest.mark.parametrize("folder", ["metrics", "secrets.json", "portal.json"])
def test_what_is_kept_is_for_its_owner_s_eyes(portal: dict[str, Any], folder: str) -> None:
    assert (Path(portal["data_dir"]) / folder).stat().st_mode & 0o077 == 0
