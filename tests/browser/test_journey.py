"""The main job in a real browser: sign in, watch, place, be filled, cancel, be refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.desk import WAIT, Desk

pytestmark = pytest.mark.browser


@pytest.fixture
def site(either_portal: dict[str, Any]) -> dict[str, Any]:
    """Make the journey with each server."""
    return either_portal


def test_prices_move_on_the_first_screen(desk: Desk) -> None:
    last = desk.page.locator("tp-watchlist tr[data-key='BTC/USD'] [data-cell=last]")
    before = last.inner_text()
    expect(last).not_to_have_text(before, timeout=WAIT)
    expect(desk.page.locator("tp-watchlist tbody tr[data-key]").first).to_contain_text("AAPL")
    expect(desk.page.locator(".badge-paper")).to_have_text("PAPER")
    expect(desk.page.locator("tp-clock")).to_contain_text("UTC")


def test_an_order_is_filled_by_push_and_position_cash_and_chart_show_it(desk: Desk) -> None:
    desk.page.evaluate(
        """() => {
          window.seen = [];
          const table = document.querySelector("tp-orders");
          new MutationObserver(() => {
            const text = table.querySelector("td.status")?.innerText.trim();
            if (text && window.seen.at(-1) !== text) window.seen.push(text);
          }).observe(table, { childList: true, subtree: true, characterData: true });
        }"""
    )
    desk.place(quantity="7")
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "filled", timeout=WAIT)
    expect(row.locator("td.quantity")).to_have_text("7 / 7")
    expect(row.locator("td.average")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    assert desk.page.evaluate("window.seen.at(-1)") == "Filled"
    assert desk.page.evaluate("window.seen.length") >= 2, "the steps before Filled were never shown"

    expect(desk.part("tp-account-strip", "cash")).not_to_have_text("1,000,000.00 USD", timeout=WAIT)
    desk.page.locator("#tab-positions").click()
    position = desk.page.locator("tp-positions tr[data-key=AAPL]")
    expect(position.locator("td.quantity")).to_have_text("7")
    cost = position.locator("td.cost").inner_text()
    desk.page.locator("#tab-fills").click()
    fill = desk.page.locator("tp-fills tbody tr").first
    expect(fill.locator("td.price")).to_have_text(cost)
    assert len(desk.watch.commands) == 1


def test_a_double_click_places_one_order(desk: Desk) -> None:
    desk.fill_ticket(quantity="3")
    desk.part("tp-ticket", "review").dblclick()
    expect(desk.part("tp-ticket", "confirm")).to_be_visible()
    assert desk.watch.commands == [], "the second half of the click on Review confirmed"
    desk.page.wait_for_timeout(450)
    desk.part("tp-ticket", "confirm").dblclick()
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    desk.page.wait_for_timeout(500)
    assert desk.orders().count() == 1
    assert len(desk.watch.commands) == 1


def test_a_resting_order_is_shown_on_chart_and_ladder_and_is_cancelled_after_a_question(desk: Desk) -> None:
    desk.place(quantity="11", limit=desk.price_away(3))
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "new", timeout=WAIT)
    expect(row.locator("td.status")).to_contain_text("Working")
    expect(desk.part("tp-account-strip", "reserved")).not_to_have_text("0.00 USD", timeout=WAIT)

    row.get_by_role("button", name="Cancel").click()
    dialog = desk.page.get_by_role("dialog", name="Cancel this order?")
    expect(dialog).to_contain_text("Buy 11 AAPL")
    dialog.get_by_role("button", name="Cancel the order").click()
    expect(row).to_have_attribute("data-status", "canceled", timeout=WAIT)
    expect(row.locator("td.status")).to_contain_text("Cancelled")
    expect(desk.part("tp-account-strip", "reserved")).to_have_text("0.00 USD", timeout=WAIT)


def test_a_refused_order_says_why_in_its_row_and_keeps_the_draft(desk: Desk) -> None:
    desk.fill_ticket(quantity="900000")
    expect(desk.part("tp-ticket", "checks-note")).to_contain_text("would refuse", timeout=WAIT)
    assert desk.page.locator("tp-ticket meter").count() > 0
    desk.review()
    desk.part("tp-ticket", "confirm").click()
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "rejected", timeout=WAIT)
    expect(row.locator("td.reason")).to_contain_text("above the limit")
    expect(desk.part("tp-ticket", "message")).to_contain_text("Refused by risk")
    expect(desk.page.locator("#ticket-quantity")).to_have_value("900000")


def test_an_order_s_story_opens_in_its_row_and_on_its_own_page(desk: Desk) -> None:
    desk.place(quantity="5")
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "filled", timeout=WAIT)
    row.locator(".turner").click()
    story = desk.page.locator("tr.detail .timeline li")
    expect(story.first).to_contain_text("Accepted", timeout=WAIT)
    expect(story.last).to_contain_text("Filled")
    desk.page.get_by_role("link", name="Open the order's page").click()
    expect(desk.page.get_by_role("heading", level=1)).to_have_text(re.compile("Buy 5 AAPL"))
    expect(desk.page.locator("tp-order-events li").last).to_contain_text("5 of 5 filled")
    expect(desk.page.locator("tp-order-head [data-part=status]")).to_have_text("Filled")


def test_the_ladder_fills_the_price_and_sends_nothing(desk: Desk) -> None:
    row = desk.page.locator(".ladder-side[data-side=bid] .ladder-row:visible").nth(3)
    expect(row).to_be_visible(timeout=WAIT)
    row.click()
    expect(desk.page.locator("#ticket-limit")).to_have_value(re.compile(r"^\d+\.?\d*$"))
    assert desk.watch.commands == []
