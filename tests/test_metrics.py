"""What happens is counted and measured under the right name, on both servers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.conf import settings

from audit import selectors, services
from marketdata.hub import HubClient
from orders.domain.breaker import BreakerState
from orders.services.breaking import Health, venue_health_store
from orders.services.queue import placement_queue
from tests.scraping import Scrape, scraped
from tests.test_price_stream import client_of, publish, streaming
from tests.test_web_processes import locked, order, wait_until, waiting_for_locks
from trading_portal.kernel import clock
from trading_portal.metrics import stored
from trading_portal.metrics.requests import NO_VIEW, OTHER_METHOD

CONSUMER = "browser"


@pytest.fixture
def scrape(live: str) -> Callable[[], Scrape]:
    return lambda: scraped(live, settings.METRICS_TOKEN)


def test_requests_are_counted_by_view_and_class_of_status_on_either_way(live, scrape, caller):
    before = scrape()
    with httpx.Client(base_url=f"http://{live}", timeout=30) as client:
        for _ in range(3):
            client.get("/v2/clock", headers=caller.headers)
        client.get("/v2/clock")
        client.post("/v2/orders", content=b"{", headers=caller.headers)
        client.get("/healthz")
        client.get("/sign-in")
        client.get(f"/v2/orders/{caller.account_id}", headers=caller.headers)
    after = scrape()
    for view, method, status, count in (
        ("api-clock", "GET", "2xx", 3),
        ("api-clock", "GET", "4xx", 1),
        ("api-orders", "POST", "4xx", 1),
        ("healthz", "GET", "2xx", 1),
        ("sign-in", "GET", "2xx", 1),
        ("api-order", "GET", "4xx", 1),
    ):
        counted = after.requests(view, method, status) - before.requests(view, method, status)
        assert counted == count, (view, method, status)
    assert after.requests("metrics", "GET", "2xx") == before.requests("metrics", "GET", "2xx") + 1


def test_no_caller_can_make_a_label(live, scrape):
    paths = ("/v2/no-such-thing", "/v1beta3/no-such-thing", "/no-such-page", "/trade/../no-such-page")
    before = scrape()
    with httpx.Client(base_url=f"http://{live}", timeout=30) as client:
        for path in paths:
            assert client.get(path).status_code == 404
            assert client.request("PROPFIND", path).status_code == 404
    after = scrape()
    for method in ("GET", OTHER_METHOD):
        assert after.requests(NO_VIEW, method, "4xx") - before.requests(NO_VIEW, method, "4xx") == len(paths)
    views = after.labels("portal_http_request_duration_seconds_count", "view")
    assert not any("no-such" in view or "/" in view for view in views)


def test_how_long_an_answer_took_is_measured(live, scrape, caller, market):
    def slow(found: Scrape) -> float:
        labels = {"view": "api-orders", "method": "POST", "status": "2xx"}
        count, quick = (found.value(f"portal_http_request_duration_seconds_{name}", **labels, **more)
                        for name, more in (("count", {}), ("bucket", {"le": "0.5"})))  # fmt: skip
        return count - quick

    before = scrape()
    with ThreadPoolExecutor(1) as pool, locked(caller.account_id) as holding:
        sent = pool.submit(httpx.post, f"http://{live}/v2/orders", json=order(market, 1), headers=caller.headers)
        wait_until(lambda: waiting_for_locks() > 0)
        time.sleep(0.6)
        holding.rollback()
        assert sent.result(30).status_code == 200
    assert slow(scrape()) == slow(before) + 1


def test_a_full_queue_is_counted_and_what_waits_is_shown(live, scrape, caller, market, monkeypatch):
    url = f"http://{live}/v2/orders"
    queue = placement_queue()
    monkeypatch.setattr(queue, "_capacity", 2)
    before = scrape()
    with ThreadPoolExecutor(2) as pool, locked(caller.account_id) as holding:
        kept = [pool.submit(httpx.post, url, json=order(market, 1 + n), headers=caller.headers) for n in range(2)]
        wait_until(lambda: queue.waiting == 2)
        for quantity in (3, 4, 5):
            assert httpx.post(url, json=order(market, quantity), headers=caller.headers).status_code == 503
        during = scrape()
        holding.rollback()
        assert {answer.result(30).status_code for answer in kept} == {200}
    after = scrape()
    assert during.value("portal_placement_queue_orders") == 2
    assert after.value("portal_placement_queue_orders") == 0
    name = "portal_placement_queue_full_total"
    assert during.value(name) == after.value(name) == before.value(name) + 3
    name = "portal_placement_batch_orders_sum"
    assert after.value(name) == before.value(name) + 2
    name = "portal_placement_batch_duration_seconds_count"
    assert before.value(name) < after.value(name) <= before.value(name) + 2


def test_what_gathers_behind_a_batch_that_takes_long_is_shown(live, scrape, caller, market, monkeypatch):
    queue = placement_queue()
    monkeypatch.setattr(queue, "_batch", 2)
    url, bodies = f"http://{live}/v2/orders", [order(market, 1 + n) for n in range(6)]
    with ThreadPoolExecutor(6) as pool, locked(caller.account_id) as holding:
        sent = [pool.submit(httpx.post, url, json=body, headers=caller.headers) for body in bodies]
        wait_until(lambda: queue.waiting == 6)
        # Within a batch's size of what is so; nothing is committed meanwhile, and nothing refused.
        assert scrape().value("portal_placement_queue_orders") >= 5
        holding.rollback()
        assert {answer.result(30).status_code for answer in sent} == {200}


async def test_readers_and_their_frames_are_counted(live, scrape, market, session):
    before = await asyncio.to_thread(scrape)
    async with streaming(live, session, f"symbols={market}&rate=10") as stream:
        await anext(stream)
        during = await asyncio.to_thread(scrape)
        publishing = asyncio.create_task(published_for(market, 1.5))
        while not publishing.done():
            await anext(stream)
        later = await asyncio.to_thread(scrape)
    assert during.value("portal_hub_connections") == before.value("portal_hub_connections") + 1
    # Frames are counted once a second.
    assert later.value("portal_hub_frames_total") >= before.value("portal_hub_frames_total") + 4
    await asyncio.to_thread(
        wait_until, lambda: scrape().value("portal_hub_connections") == before.value("portal_hub_connections")
    )


async def published_for(symbol: str, seconds: float) -> None:
    until = clock.monotonic() + seconds
    price = 100
    while clock.monotonic() < until:
        price += 1
        await asyncio.to_thread(publish, symbol, str(price))
        await asyncio.sleep(0.05)


async def test_a_reader_that_does_not_read_is_counted_when_it_is_dropped(live, scrape, market, session, monkeypatch):
    monkeypatch.setattr(HubClient, "is_stuck", property(lambda _: True))
    before = (await asyncio.to_thread(scrape)).value("portal_hub_readers_dropped_total")
    async with client_of(live, session) as client, client.stream("GET", f"/prices/stream?symbols={market}") as answer:
        assert answer.status_code == 200
        async with asyncio.timeout(20):
            async for _ in answer.aiter_lines():
                pass
    assert (await asyncio.to_thread(scrape)).value("portal_hub_readers_dropped_total") == before + 1


def test_what_a_venue_is_owed_and_its_breaker_are_read(live, scrape, caller, market):
    before = scrape()
    answer = httpx.post(f"http://{live}/v2/orders", json=order(market, 1), headers=caller.headers, timeout=30)
    assert answer.status_code == 200
    after = scrape()
    due = "portal_venue_messages_due"
    assert after.value(due, venue="paper") == before.value(due, venue="paper") + 1
    assert ("portal_venue_messages_in_flight", frozenset({("venue", "paper")})) in after.samples
    name = "portal_venue_breaker"
    try:
        venue_health_store(venue="paper", fence=None, health=Health(state=BreakerState.OPEN), at=clock.now())
        opened = scrape()
    finally:
        venue_health_store(venue="paper", fence=None, health=Health(), at=clock.now())
    closed = scrape()
    assert [opened.value(name, venue="paper", state=state.value) for state in BreakerState] == [
        float(state is BreakerState.OPEN) for state in BreakerState
    ]
    assert closed.value(name, venue="paper", state="closed") == 1
    assert closed.value(name, venue="paper", state="open") == 0
    assert after.value("portal_database_up") == 1


def test_how_far_the_relay_is_behind_is_read(live, scrape, caller, market):
    last = selectors.position_last()
    services.cursor_reset(consumer=CONSUMER, xid=last.xid, event_id=last.id, at=clock.now())
    services.cursor_reset(consumer="gone", xid=last.xid, event_id=last.id, at=clock.now())
    assert scrape().value("portal_relay_lag_seconds", consumer=CONSUMER) == 0
    httpx.post(f"http://{live}/v2/orders", json=order(market, 1), headers=caller.headers, timeout=30)
    time.sleep(0.3)
    behind = scrape()
    assert 0.3 <= behind.value("portal_relay_lag_seconds", consumer=CONSUMER) < 30
    assert "gone" not in behind.labels("portal_relay_lag_seconds", "consumer")
    last = selectors.position_last()
    services.cursor_reset(consumer=CONSUMER, xid=last.xid, event_id=last.id, at=clock.now())
    assert scrape().value("portal_relay_lag_seconds", consumer=CONSUMER) == 0


def test_a_database_that_hangs_holds_up_no_scrape(live, scrape, monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(stored, "READ_SECONDS", 0.2)
    monkeypatch.setattr(stored, "venues_load", lambda **_: (answers.wait(30), [])[1])
    try:
        for _ in range(3):
            begun = clock.monotonic()
            found = scrape()
            assert clock.monotonic() - begun < 5
            assert found.value("portal_database_up") == 0
            assert ("portal_placement_queue_orders", frozenset()) in found.samples
            assert not found.labels("portal_venue_messages_due", "venue")
    finally:
        answers.set()
    wait_until(lambda: scrape().value("portal_database_up") == 1)
