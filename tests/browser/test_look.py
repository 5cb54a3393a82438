"""Every size and theme, the policy on every page, and how numbers are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.desk import WAIT, Desk
from tests.browser.traders import Trader

pytestmark = pytest.mark.browser


def test_a_phone_scrolls_nothing_sideways_and_trades_from_a_sheet(
    open_desk: Callable[..., Desk], trader: Trader
) -> None:
    desk = open_desk(phone=True)
    desk.sign_in(trader)
    page = desk.page
    expect(desk.ticket).to_be_hidden()
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(desk.ticket).to_be_visible()
    expect(desk.ticket.locator("[data-side=sell]")).to_have_attribute("aria-pressed", "true")
    desk.place(quantity="3")
    desk.ticket.get_by_role("button", name="Close the ticket").click()
    expect(desk.ticket).to_be_hidden()
    page.locator(".page-tabs [data-tab=orders]").click()
    row = desk.orders().first
    expect(row).to_contain_text("AAPL", timeout=WAIT)
    for tab in ("watchlist", "depth", "positions", "fills", "orders"):
        page.locator(f".page-tabs [data-tab={tab}]").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_every_page_keeps_the_policy(desk: Desk, open_desk: Callable[..., Desk], portal: dict[str, Any]) -> None:
    for path in ("/", "/nowhere", "/api/docs"):
        desk.page.goto(desk.url + path)
        desk.page.wait_for_load_state("networkidle" if path != "/" else "load")
    officer = open_desk()
    risk = portal["users"]["risk"]
    officer.sign_in(Trader(risk["username"], risk["password"], "", ""), expect_live=False)
    expect(officer.page.locator("#site-name")).to_be_visible()
    paths = officer.page.evaluate("[...document.querySelectorAll('a')].map((link) => link.pathname)")
    lists = sorted({path for path in paths if re.fullmatch(r"/admin/\w+/\w+/", path)})
    assert len(lists) >= 4, lists
    for path in lists:
        officer.page.goto(officer.url + path)
        expect(officer.page.locator("#site-name")).to_be_visible()


def test_theme_and_direction_colours_are_kept_with_the_person(
    desk: Desk, trader: Trader, open_desk: Callable[..., Desk]
) -> None:
    desk.page.get_by_role("button", name="Display settings").click()
    with desk.page.expect_response("**/preferences"):
        desk.page.get_by_label("Light").check()
    with desk.page.expect_response("**/preferences"):
        desk.page.get_by_label("Blue and amber").check()
    elsewhere = open_desk()
    elsewhere.sign_in(trader)
    root = elsewhere.page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    expect(root).to_have_attribute("data-direction", "safest")
    background = elsewhere.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(238, 241, 245)"


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ('fixed("1234567.891", 2)', "1,234,567.89"),
        ('fixed("0.005", 2)', "0.01"),
        ('fixed("-0.004", 2)', "0.00"),
        ('fixed("-1234.5", 2)', "\u22121,234.50"),
        ('fixed("9007199254740993.10", 2)', "9,007,199,254,740,993.10"),
        ("fixed(null, 2)", "\u2013"),
        ('fixed("NaN", 2)', "\u2013"),
        ('quantity("0.00071294")', "0.00071294"),
        ('quantity("1000.500")', "1,000.5"),
        ('signed("12", 2)', "+12.00"),
        ('percentage("-0.0123456")', "\u22121.23%"),
        ('percentage("1")', "+100.00%"),
        (
            'readable("KO would be 212040 of 999844.883042 equity on 2026-11-20.")',
            "KO would be 212,040 of 999,844.883042 equity on 2026-11-20.",
        ),
        ('total(["0.1", "0.2", "10"])', "10.3"),
        ('compare("0.10", "0.1")', 0),
        ('compare("-2", "1")', -1),
        ('signOf("-0.00")', 0),
        ('typed(" 12.50 ")', "12.50"),
        ('typed("1e5")', None),
        ('typed("-1")', None),
        ('typed("\uff11")', None),
        ('typed("0.00")', None),
    ],
)
def test_numbers_are_written_from_decimal_strings(plain_page: Any, call: str, shown: object) -> None:
    assert plain_page.evaluate(f"import('/static/js/lib/numbers.js').then((numbers) => numbers.{call})") == shown
