"""A command is one command, whatever the network does; and what the keyboard may and may not do."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.desk import WAIT, Desk

pytestmark = pytest.mark.browser
CHECKED = 20_000


def test_a_lost_answer_is_asked_for_and_the_order_is_there_once(desk: Desk) -> None:
    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    desk.page.route("**/orders/commands", lose_the_answer)
    desk.place(quantity="4")
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    expect(desk.part("tp-ticket", "message")).to_contain_text("Filled", timeout=CHECKED)
    assert desk.orders().count() == 1
    assert len(desk.watch.commands) == 1


def test_a_command_that_never_arrived_is_sent_again_under_the_same_identity(desk: Desk) -> None:
    desk.page.route("**/orders/commands", lambda route: route.abort("connectionfailed"))
    desk.place(quantity="6")
    message = desk.part("tp-ticket", "message")
    expect(message).to_contain_text("Checking", timeout=WAIT)
    again = desk.ticket.get_by_role("button", name="Send the same order again")
    expect(again).to_be_visible(timeout=CHECKED)
    assert desk.orders().count() == 0

    desk.page.unroute("**/orders/commands")
    again.click()
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    sent = [json.loads(request.post_data or "{}")["client_order_id"] for request in desk.watch.commands]
    assert len(sent) == 2
    assert len(set(sent)) == 1


def test_an_unanswered_command_is_checked_after_five_seconds_and_after_a_reload(desk: Desk) -> None:
    held: list[Route] = []
    desk.page.route("**/orders/commands", lambda route: held.append(route))
    desk.place(quantity="8")
    expect(desk.part("tp-ticket", "message")).to_contain_text("Checking", timeout=8_000)

    desk.page.unroute("**/orders/commands")
    desk.page.reload()
    expect(desk.part("tp-ticket", "message")).to_contain_text("Checking", timeout=WAIT)
    again = desk.ticket.get_by_role("button", name="Send the same order again")
    again.click(timeout=CHECKED)
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    assert desk.orders().count() == 1


def test_keys_set_the_side_and_review_but_only_confirm_sends(desk: Desk) -> None:
    page = desk.page
    page.locator("#main").focus()
    page.keyboard.press("s")
    expect(desk.ticket.locator("[data-side=sell]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    expect(desk.ticket.locator("[data-side=buy]")).to_have_attribute("aria-pressed", "true")
    desk.ticket.locator("[data-type=market]").click()

    page.locator("#ticket-quantity").focus()
    page.keyboard.type("9s")
    expect(desk.ticket.locator("[data-side=buy]")).to_have_attribute("aria-pressed", "true")
    page.fill("#ticket-quantity", "9")
    page.keyboard.press("Enter")
    expect(desk.part("tp-ticket", "confirm")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(desk.part("tp-ticket", "confirm")).to_be_focused()
    page.keyboard.press("Escape")
    expect(desk.part("tp-ticket", "confirm")).to_be_hidden()
    assert desk.watch.commands == []

    page.keyboard.press("Control+Enter")
    page.keyboard.press("Enter")
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    assert len(desk.watch.commands) == 1


def test_rows_are_walked_and_cancelled_by_keys_and_symbols_are_found(desk: Desk) -> None:
    page = desk.page
    desk.place(quantity="2", limit=desk.price_away(4))
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "new", timeout=WAIT)
    page.locator("#main").focus()
    page.keyboard.press("j")
    expect(row).to_have_attribute("aria-selected", "true")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Cancel this order?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row).to_have_attribute("data-status", "new")

    page.keyboard.press("/")
    page.keyboard.type("bitc")
    page.keyboard.press("Enter")
    expect(desk.part("tp-chart", "symbol")).to_have_text("BTC/USD")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Set the side to buy")


def test_a_key_can_be_given_another_place(desk: Desk) -> None:
    page = desk.page
    page.locator("#main").focus()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    help_.get_by_role("button", name=re.compile("Change the key for: Set the side to sell")).click()
    page.keyboard.press("b")
    expect(help_).to_contain_text("taken by: Set the side to buy")
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(desk.ticket.locator("[data-side=sell]")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("x")
    expect(desk.ticket.locator("[data-side=sell]")).to_have_attribute("aria-pressed", "true")
