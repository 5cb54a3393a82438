"""The risk desk in a browser: what an officer does there reaches the trader's next order."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import WAIT, Desk
from tests.browser.traders import Trader

pytestmark = pytest.mark.browser
PICTURES = os.environ.get("PORTAL_TEST_PICTURES")


def picture(page: Page, name: str) -> None:
    """Keep a picture for a person to look at, where a folder for them is named."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.fixture
def officer(open_desk: Callable[..., Desk], portal: dict[str, Any]) -> Callable[..., Page]:
    """Sign an officer in at the risk desk."""

    def sign_in(name: str = "risk", **options: Any) -> Page:
        page = open_desk(**options).page
        person = portal["users"].get(name) or portal["users"]["risk"]
        page.goto(f"{portal['url']}/admin/")
        page.fill("#id_username", person["username"])
        page.fill("#id_password", person["password"])
        page.get_by_role("button", name=re.compile("log in|sign in", re.IGNORECASE)).click()
        expect(page.get_by_role("heading", name="Fullest limits")).to_be_visible(timeout=WAIT)
        return page

    return sign_in


def test_a_limit_tightened_at_the_desk_refuses_the_next_order_with_its_reason_in_the_row(
    desk: Desk, trader: Trader, officer: Callable[..., Page]
) -> None:
    page = officer()
    page.goto(f"{desk.url}/admin/risk/limit/add/")
    page.select_option("#id_rule", "max_quantity")
    page.fill("#id_account", trader.number)
    page.fill("#id_value", "5")
    page.fill("#id_reason", "Five at a time")
    picture(page, "limit-add")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("holds from the next order on")
    picture(page, "limits")

    desk.place(quantity="6")
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "rejected", timeout=WAIT)
    expect(row).to_contain_text(re.compile("quantity", re.IGNORECASE))

    page.goto(f"{desk.url}/admin/risk/decision/?q={trader.number}")
    page.locator("#result_list tbody th a, #result_list tbody td a").first.click()
    expect(page.get_by_text("QUANTITY_ABOVE_LIMIT").first).to_be_visible()
    picture(page, "decision")


def test_the_kill_switch_cancels_what_is_open_refuses_what_is_new_and_two_release_it(
    desk: Desk, trader: Trader, officer: Callable[..., Page]
) -> None:
    desk.place(quantity="3", limit=desk.price_away(5))
    expect(desk.orders().first).to_have_attribute("data-status", "new", timeout=WAIT)

    page = officer()
    page.goto(f"{desk.url}/admin/risk/killswitch/add/")
    page.fill("#id_account", trader.number)
    page.get_by_role("button", name="Show what dies").click()
    expect(page.locator(".desk-count")).to_contain_text("1 open order")
    page.fill("#latch_reason", "Runaway")
    page.check("#latch_confirmed")
    picture(page, "kill-switch")
    page.get_by_role("button", name="Latch the kill switch").click()
    expect(page.locator(".messagelist")).to_contain_text("Latched")
    expect(desk.orders().first).to_have_attribute("data-status", "canceled", timeout=WAIT)

    desk.place(quantity="2")
    expect(desk.orders().first).to_have_attribute("data-status", "rejected", timeout=WAIT)
    expect(desk.orders().first).to_contain_text(re.compile("kill switch", re.IGNORECASE))
    page.reload()
    expect(page.get_by_text("cancelled 1 of 1, 0 still open")).to_be_visible()

    page.fill("#id_reason", "Found it")
    page.get_by_role("button", name="Propose release").click()
    page.goto(f"{desk.url}/admin/")
    expect(page.locator(".desk-banner").first).to_contain_text(trader.number)
    picture(page, "overview")
    page.locator("#desk-pending + table a").first.click()
    expect(page.get_by_text("another person must approve")).to_be_visible()
    picture(page, "change")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_page_of_the_desk_shows_under_the_content_policy(
    officer: Callable[..., Page], portal: dict[str, Any], scheme: str
) -> None:
    page = officer(scheme=scheme)
    picture(page, f"overview-{scheme}")
    for name in ("limit", "changerequest", "tradingstate", "killswitch", "breach", "decision"):
        page.goto(f"{portal['url']}/admin/risk/{name}/")
        expect(page.locator("#changelist")).to_be_visible()
        picture(page, f"{name}-{scheme}")
    for path in ("risk/limit/add/", "risk/tradingstate/add/", "risk/killswitch/add/", "accounts/tradingaccount/"):
        page.goto(f"{portal['url']}/admin/{path}")
        expect(page.locator("#content")).to_be_visible()


def test_the_overview_renews_itself(officer: Callable[..., Page], portal: dict[str, Any]) -> None:
    page = officer()
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.querySelector('#desk-feed').textContent = 'old'")
    expect(page.locator("#desk-feed")).to_have_text("Prices", timeout=WAIT)


def test_the_desk_fits_a_phone(officer: Callable[..., Page]) -> None:
    page = officer(phone=True)
    picture(page, "overview-phone")
    # Chromium lays a page out before it has read how wide the page wants to be.
    deadline = time.monotonic() + WAIT / 1000
    while page.evaluate("innerWidth") != 390 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [390, 390]
