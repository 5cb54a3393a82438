"""What the page says and keeps when the connection, the session or a panel fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.desk import WAIT, Desk
from tests.browser.traders import Trader

pytestmark = pytest.mark.browser


def _say_nothing(socket: WebSocketRoute) -> None:
    """Take the place of the server, and stay silent."""


def test_offline_locks_the_ticket_keeps_the_draft_and_comes_back_live(desk: Desk) -> None:
    desk.fill_ticket(quantity="12")
    desk.page.context.set_offline(True)
    expect(desk.connection).to_contain_text("Offline", timeout=WAIT)
    expect(desk.part("tp-ticket", "review")).to_be_disabled()
    expect(desk.page.locator("tp-banner")).to_contain_text("draft is kept", timeout=WAIT)

    desk.page.context.set_offline(False)
    expect(desk.connection).to_contain_text("Live", timeout=WAIT)
    expect(desk.page.locator("#ticket-quantity")).to_have_value("12")
    expect(desk.part("tp-ticket", "review")).to_be_enabled()


def test_a_silent_line_is_called_stale_and_market_orders_are_locked(
    open_desk: Callable[..., Desk], trader: Trader
) -> None:
    desk = open_desk()
    desk.sign_in(trader)
    desk.fill_ticket(quantity="2")
    desk.page.clock.install()
    desk.page.route_web_socket("**/ws", _say_nothing)
    desk.page.reload()
    expect(desk.connection).to_contain_text("Resyncing", timeout=WAIT)
    # What the page asks for when it opens gives up after a while, by the clock that is moved next.
    expect(desk.part("tp-ticket", "review")).to_have_text(re.compile(r"Review buy 2 \S"), timeout=WAIT)
    desk.page.clock.fast_forward(12_000)
    expect(desk.connection).to_contain_text("Stale", timeout=WAIT)
    expect(desk.part("tp-ticket", "lock")).to_contain_text("Market orders are locked")
    expect(desk.part("tp-ticket", "review")).to_be_disabled()
    desk.ticket.locator("[data-type=limit]").click()
    desk.page.fill("#ticket-limit", "1")
    expect(desk.part("tp-ticket", "review")).to_be_enabled()


class _Line:
    """The page's socket in the test's hands: it can be cut, and frames can be lost on it."""

    def __init__(self) -> None:
        self.is_cut = False
        self.lose: Callable[[str], bool] = lambda _: False
        self.lost: list[str] = []
        self.change: Callable[[str], str] = lambda text: text
        self._open: list[WebSocketRoute] = []

    def take(self, page_side: WebSocketRoute) -> None:
        if self.is_cut:
            page_side.close(code=1012)
            return
        server_side = page_side.connect_to_server()
        self._open.append(page_side)

        def forward(message: str | bytes) -> None:
            if self.lose(str(message)):
                self.lost.append(str(message))
            else:
                page_side.send(self.change(str(message)))

        server_side.on_message(forward)

    def cut(self) -> None:
        self.is_cut = True
        for page_side in self._open:
            page_side.close(code=1012)
        self._open.clear()


@pytest.fixture
def line() -> _Line:
    return _Line()


def test_what_happened_while_the_line_was_cut_is_there_when_it_is_back(
    open_desk: Callable[..., Desk], trader: Trader, line: _Line
) -> None:
    desk = open_desk()
    desk.page.route_web_socket("**/ws", line.take)
    desk.sign_in(trader)
    line.cut()
    expect(desk.connection).to_contain_text("Reconnecting", timeout=WAIT)
    expect(desk.page.locator("tp-banner")).to_contain_text("Last update", timeout=WAIT)
    desk.place(quantity="14", limit=desk.price_away(-2))
    expect(desk.orders().first).to_contain_text("Pending", timeout=WAIT)
    line.is_cut = False
    expect(desk.connection).to_contain_text("Live", timeout=30_000)
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    expect(desk.page.get_by_role("status").filter(has_text="while you were away")).to_have_count(1)
    assert desk.orders().count() == 1


def test_a_lost_event_is_noticed_and_the_account_is_read_anew(
    open_desk: Callable[..., Desk], trader: Trader, line: _Line
) -> None:
    desk = open_desk()
    desk.page.route_web_socket("**/ws", line.take)
    desk.sign_in(trader)
    desk.place(quantity="9", limit=desk.price_away(4))
    expect(desk.orders().first).to_have_attribute("data-status", "new", timeout=WAIT)
    line.lose = lambda text: '"type":"delta","ch":"account"' in text and not line.lost
    desk.orders().first.get_by_role("button", name="Cancel").click()
    desk.page.get_by_role("button", name="Cancel the order").click()
    expect(desk.orders().first).to_have_attribute("data-status", "canceled", timeout=WAIT)
    assert line.lost, "no event was lost: the test proves nothing"


def test_a_feed_that_fell_silent_is_shown_although_the_line_lives(
    open_desk: Callable[..., Desk], trader: Trader, line: _Line
) -> None:
    desk = open_desk()
    desk.page.route_web_socket("**/ws", line.take)
    desk.sign_in(trader)
    line.lose = lambda text: '"ch":"quotes"' in text
    expect(desk.part("tp-chart", "quality")).to_have_text(re.compile(r"Price \d+ s old"), timeout=20_000)
    expect(desk.connection).to_contain_text("Live")
    line.lose = lambda _: False
    expect(desk.part("tp-chart", "quality")).to_be_hidden(timeout=WAIT)


def _with_notice(text: str) -> str:
    frame = json.loads(text)
    if "notices" in frame:
        sentence = "Venue paper does not answer: new orders are refused until it does."
        frame["notices"] = [{"code": "VENUE_AWAY", "venue": "paper", "sentence": sentence, "since": frame.get("ts")}]
        for order in frame.get("orders", []):
            order["outcome"] = "unknown"
    return json.dumps(frame)


def test_a_venue_that_is_away_and_orders_nobody_knows_of_are_told_above_everything(
    open_desk: Callable[..., Desk], trader: Trader, line: _Line
) -> None:
    desk = open_desk()
    desk.page.route_web_socket("**/ws", line.take)
    desk.sign_in(trader)
    banner = desk.page.locator("tp-banner")
    desk.place(quantity="5", limit=desk.price_away(4))
    expect(desk.orders().first).to_have_attribute("data-status", "new", timeout=WAIT)
    expect(banner).to_be_hidden()
    line.change = _with_notice
    desk.page.reload()
    expect(banner).to_contain_text("Venue paper does not answer", timeout=WAIT)
    expect(banner).to_contain_text("Buy 5 AAPL: paper has not answered")
    expect(desk.orders().first.locator("td.status")).to_contain_text("Unknown \u2013 asking the venue")
    line.change = lambda text: text
    desk.page.reload()
    expect(desk.orders().first.locator("td.status")).to_contain_text("Working", timeout=WAIT)
    expect(banner).to_be_hidden()


def test_an_ended_session_is_taken_up_again_in_place_with_the_draft(desk: Desk, trader: Trader) -> None:
    desk.fill_ticket(quantity="31", limit=desk.price_away(5))
    other = desk.page.context.new_page()
    other.goto(desk.url)
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(re.compile("/sign-in"))

    dialog = desk.page.get_by_role("dialog", name="Session ended")
    expect(dialog).to_be_visible(timeout=30_000)
    dialog.get_by_label("Password").fill(trader.password)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden(timeout=WAIT)
    desk.wait_live()
    expect(desk.page.locator("#ticket-quantity")).to_have_value("31")
    desk.review()
    desk.part("tp-ticket", "confirm").click()
    expect(desk.orders().first).to_have_attribute("data-status", "new", timeout=WAIT)


def test_one_failing_panel_leaves_the_others_alive(open_desk: Callable[..., Desk], trader: Trader) -> None:
    desk = open_desk()
    problem = {"title": "Internal Server Error", "detail": "The portal failed.", "request_id": "r-42", "status": 500}
    desk.page.route("**/prices/candles**", lambda route: route.fulfill(status=500, json=problem))
    desk.sign_in(trader, expect_live=False)
    chart = desk.page.locator("tp-chart")
    expect(chart).to_contain_text("Chart failed", timeout=WAIT)
    expect(chart).to_contain_text("r-42")
    expect(desk.page.locator("tp-watchlist [data-key=AAPL] [data-cell=last]")).to_have_text(re.compile(r"\d"))
    desk.fill_ticket(quantity="1")
    expect(desk.part("tp-ticket", "checks-note")).to_contain_text("pass", timeout=WAIT)

    desk.page.unroute("**/prices/candles**")
    chart.get_by_role("button", name="Retry").click()
    expect(desk.part("tp-chart", "last")).to_have_text(re.compile(r"\d"), timeout=WAIT)
    expect(chart.locator("canvas").first).to_be_visible()


def test_too_many_wrong_passwords_lock_the_name_out_from_here(
    open_desk: Callable[..., Desk], traders: Callable[[], Trader]
) -> None:
    desk, trader = open_desk(), traders()
    for _ in range(5):
        desk.sign_in(Trader(trader.username, "wrong", "", ""), expect_live=False)
        expect(desk.page.get_by_role("alert")).to_contain_text("do not belong together")
    desk.sign_in(trader, expect_live=False)
    expect(desk.page.get_by_role("alert")).to_contain_text("Too many tries")
