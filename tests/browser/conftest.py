"""A portal, a Chromium, and a fresh trader for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from orders.domain.forms import order_rules
from tests.browser.desk import Desk, Watch, rules_write
from tests.browser.traders import Trader, traders_open

AT_ONCE = 10


@pytest.fixture(scope="session")
def traders(portal: dict[str, Any]) -> Callable[[], Trader]:
    """Hand out traders nobody used before; opened some at a time, since each opening starts a process."""
    waiting: list[Trader] = []

    def take() -> Trader:
        if not waiting:
            waiting.extend(traders_open(portal, AT_ONCE))
        return waiting.pop()

    return take


@pytest.fixture
def trader(traders: Callable[[], Trader]) -> Trader:
    """Return a trader nobody used before."""
    return traders()


@pytest.fixture
def site(portal: dict[str, Any]) -> dict[str, Any]:
    """Return the portal whose pages are opened."""
    return portal


@pytest.fixture
def open_desk(browser: Browser, site: dict[str, Any]) -> Iterator[Callable[..., Desk]]:
    """Open pages, each in a context of its own; afterwards no page may have misbehaved."""
    opened: list[tuple[Any, Watch]] = []

    def open_(*, phone: bool = False, scheme: str = "dark", width: int = 1440, height: int = 900) -> Desk:
        viewport = {"width": 390, "height": 844} if phone else {"width": width, "height": height}
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, has_touch=phone, is_mobile=phone, bypass_csp=False
        )
        watch = Watch(context, site["url"])
        opened.append((context, watch))
        return Desk(context.new_page(), watch, site["url"])

    yield open_
    for context, _ in opened:
        context.close()
    complaints = [complaint for _, watch in opened for complaint in watch.complaints]
    assert not complaints, complaints


@pytest.fixture
def desk(open_desk: Callable[..., Desk], trader: Trader) -> Desk:
    """Return a signed-in trader's live workspace on a wide screen."""
    desk = open_desk()
    desk.sign_in(trader)
    return desk


@pytest.fixture(scope="module")
def plain_page(browser: Browser, portal: dict[str, Any]) -> Iterator[Page]:
    """Open a page in which modules run by themselves, with the rules that they go by."""
    page = browser.new_page()
    page.goto(f"{portal['url']}/sign-in")
    rules_write(page, order_rules())
    yield page
    page.close()
