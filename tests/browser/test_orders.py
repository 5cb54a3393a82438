"""Every kind of order on screen: only the fields it has, its life in words, changed and ended by push."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.desk import WAIT, Desk

pytestmark = pytest.mark.browser


def _row(desk: Desk, text: str) -> Locator:
    return desk.orders().filter(has_text=text)


def test_a_change_is_asked_for_in_its_form_and_arrives_by_push(desk: Desk) -> None:
    price = int(desk.price_away(4))
    desk.place(quantity="10", limit=str(price))
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "new", timeout=WAIT)
    row.get_by_role("button", name="Change").click()
    form = desk.page.get_by_role("dialog", name="Change this order")
    expect(form.get_by_role("button", name="Ask for the change")).to_be_disabled()
    form.get_by_label("Quantity").fill("12")
    form.get_by_label("Limit price").fill(str(price - 1))
    form.get_by_role("button", name="Ask for the change").click()
    expect(form).to_be_hidden(timeout=WAIT)
    expect(row.locator("td.quantity")).to_have_text("0 / 12", timeout=WAIT)
    expect(row.locator("td.limit")).to_have_text(f"{price - 1}.00")
    expect(row.locator("td.status")).to_contain_text("Working")

    row.get_by_role("button", name="Change").click()
    form.get_by_label("Limit price").fill(f"{price}.001")
    form.get_by_role("button", name="Ask for the change").click()
    expect(form.get_by_role("alert")).to_contain_text("tick", timeout=WAIT)
    form.get_by_role("button", name="Leave it as it is").click()

    row.locator(".turner").click()
    desk.page.get_by_role("link", name="Open the order's page").click()
    events = desk.page.locator("tp-order-events")
    expect(events.locator("li[data-type='order.replaced']")).to_contain_text("Now quantity 10 → 12", timeout=WAIT)
    expect(events.get_by_role("group", name="The order's states over time")).to_contain_text("Working")
    expect(desk.page.locator(".id-list")).to_contain_text("Change 1, accepted: the id now")


def _play(desk: Desk, scenario: str) -> None:
    """Have the paper venue play a scenario with the next orders."""

    def rename(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        route.continue_(post_data=json.dumps({**body, "client_order_id": f"scn-{scenario}-{body['client_order_id']}"}))

    desk.page.unroute_all()
    desk.page.route("**/orders/commands", rename)


def test_what_a_venue_refuses_or_takes_back_is_said_where_one_looks(desk: Desk) -> None:
    page = desk.page
    price = desk.price_away(4)
    _play(desk, "replace_reject")
    desk.place(quantity="8", limit=price)
    row = desk.orders().first
    expect(row).to_have_attribute("data-status", "new", timeout=WAIT)
    row.get_by_role("button", name="Change").click()
    form = page.get_by_role("dialog", name="Change this order")
    form.get_by_label("Quantity").fill("9")
    form.get_by_role("button", name="Ask for the change").click()
    expect(form.get_by_role("alert")).to_contain_text("The venue rejected the change", timeout=WAIT)
    form.get_by_role("button", name="Leave it as it is").click()
    expect(row.locator("td.reason")).to_contain_text("Change rejected")
    expect(row.locator("td.quantity")).to_have_text("0 / 8")

    _play(desk, "bust")
    desk.place(quantity="3", limit=desk.price_away(-2))
    expect(desk.orders()).to_have_count(2, timeout=WAIT)
    busted = desk.orders().first
    busted.locator(".turner").click()
    story = page.locator("tr.detail .timeline")
    expect(story).to_contain_text("The venue took back the fill of 3 at", timeout=WAIT)
    expect(busted.locator("td.reason")).to_contain_text("A fill was taken back")
    expect(page.locator("#tab-fills")).to_have_text(re.compile(r"^Fills\s*$"))


def test_a_bracket_s_exits_stand_under_their_entry_and_end_when_the_position_is_closed(desk: Desk) -> None:
    page = desk.page
    entry, profit, loss = desk.price_away(-2), desk.price_away(-9), desk.price_away(9)
    desk.fill_ticket(quantity="6", limit=entry)
    page.get_by_text("Exits, route and timing").click()
    page.select_option("#ticket-exits", "bracket")
    page.fill("#ticket-profit", profit)
    expect(desk.part("tp-ticket", "review")).to_be_disabled()
    page.fill("#ticket-loss", loss)
    desk.review()
    expect(desk.part("tp-ticket", "sentence")).to_contain_text(f"Then take the profit at {profit}.00 or stop out")
    desk.part("tp-ticket", "confirm").click()
    expect(desk.orders()).to_have_count(3, timeout=WAIT)
    expect(desk.orders().nth(0)).to_have_attribute("data-status", "filled", timeout=WAIT)
    expect(desk.orders().nth(1)).to_contain_text("Take-profit")
    expect(desk.orders().nth(1).locator("td.status")).to_contain_text("Working", timeout=WAIT)
    expect(desk.orders().nth(2).locator("td.status")).to_contain_text(f"Stop waiting at {loss}", timeout=WAIT)

    page.locator("#tab-positions").click()
    page.locator("tp-positions tr[data-key=AAPL]").get_by_role("button", name="Close").click()
    dialog = page.get_by_role("dialog", name="Close AAPL?")
    expect(dialog.get_by_label("Quantity to close")).to_have_value("6")
    expect(dialog.get_by_label("Cancel the 2 open orders first")).to_be_checked()
    dialog.get_by_role("button", name="Sell AAPL").click()
    expect(dialog).to_be_hidden(timeout=WAIT)
    expect(page.locator("tp-positions tr[data-key=AAPL]")).to_have_count(0, timeout=WAIT)
    page.locator("#tab-orders").click()
    for leg in ("Take-profit", "Stop-loss"):
        expect(_row(desk, leg)).to_have_attribute("data-status", "canceled", timeout=WAIT)


def test_stops_show_their_own_fields_wait_in_words_and_are_cancelled_together(desk: Desk) -> None:
    page, ticket = desk.page, desk.ticket
    desk.place(quantity="9")
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    ticket.locator("[data-side=sell]").click()
    ticket.locator("[data-type=stop]").click()
    expect(page.locator("#ticket-limit")).to_be_hidden()
    times = page.locator("#ticket-tif option:enabled").all_inner_texts()
    assert times == ["Day", "Good till cancelled", "Good till date"]
    stop = desk.price_away(5)
    page.fill("#ticket-quantity", "4")
    page.fill("#ticket-stop", stop)
    desk.review()
    expect(desk.part("tp-ticket", "sentence")).to_contain_text(f"once the price reaches {stop}.00, at the market")
    desk.part("tp-ticket", "confirm").click()
    expect(desk.orders().first.locator("td.status")).to_contain_text(f"Stop waiting at {stop}", timeout=WAIT)

    ticket.locator("[data-type=trailing_stop]").click()
    page.fill("#ticket-quantity", "3")
    page.fill("#ticket-trail", "2.5")
    page.select_option("#ticket-trail-unit", "percent")
    desk.review()
    desk.part("tp-ticket", "confirm").click()
    expect(desk.orders().first.locator("td.status")).to_contain_text("Trailing by 2.5%", timeout=WAIT)

    page.get_by_role("button", name="Cancel all…").click()
    page.get_by_role("dialog", name="Cancel all orders?").get_by_role("button", name="Cancel all 2").click()
    for row in (desk.orders().nth(0), desk.orders().nth(1)):
        expect(row).to_have_attribute("data-status", "canceled", timeout=WAIT)


def test_an_order_for_an_amount_says_what_it_buys_and_more_than_is_held_is_a_short_sale(desk: Desk) -> None:
    page, ticket = desk.page, desk.ticket
    ticket.locator("[data-type=market]").click()
    desk.part("tp-ticket", "basis").click()
    page.fill("#ticket-quantity", "500")
    expect(desk.part("tp-ticket", "preview-quantity")).to_have_text(re.compile(r"^about \d+\.\d+ AAPL$"), timeout=WAIT)
    desk.review()
    expect(desk.part("tp-ticket", "confirm")).to_have_text("Confirm: buy 500 USD of AAPL")
    desk.part("tp-ticket", "confirm").click()
    expect(desk.orders().first).to_have_attribute("data-status", "filled", timeout=WAIT)
    expect(desk.part("tp-ticket", "message")).to_contain_text("Filled")

    desk.part("tp-ticket", "basis").click()
    expect(desk.part("tp-ticket", "short")).to_be_hidden()
    desk.fill_ticket(quantity="7", side="sell")
    expect(desk.part("tp-ticket", "short")).to_be_visible()
    expect(desk.part("tp-ticket", "position-after")).to_contain_text("short", timeout=WAIT)


_SHARE = {"asset_class": "us_equity", "is_fractionable": True, "lot_size": "1", "currency": "USD"}
_COIN = {"asset_class": "crypto", "is_fractionable": False, "lot_size": "0.0001", "currency": "USD"}


@pytest.mark.parametrize(
    ("draft", "instrument", "sent"),
    [
        (
            {"type": "stop", "tif": "ioc", "stop": "9", "limit": "8", "extended": "yes"},
            _SHARE,
            {"type": "stop", "time_in_force": "day", "qty": "5", "stop_price": "9"},
        ),
        (
            {"type": "market", "basis": "amount", "tif": "gtc", "algorithm": "twap"},
            _SHARE,
            {"type": "market", "time_in_force": "day", "notional": "5"},
        ),
        (
            {"type": "market", "basis": "amount", "tif": "opg"},
            _COIN,
            {"type": "market", "time_in_force": "day", "notional": "5"},
        ),
        (
            {"type": "limit", "limit": "8", "tif": "gtd", "until": "2026-07-01T16:00", "extended": "yes"},
            _SHARE,
            {
                "type": "limit",
                "time_in_force": "gtc",
                "qty": "5",
                "limit_price": "8",
                "good_till": "2026-07-01T20:00:00.000Z",
                "extended_hours": True,
            },
        ),
        (
            {
                "type": "limit",
                "limit": "8",
                "tif": "fok",
                "exits": "oco",
                "profit": "11",
                "loss": "9",
                "lossLimit": "8",
            },
            _SHARE,
            {
                "type": "limit",
                "time_in_force": "day",
                "qty": "5",
                "order_class": "oco",
                "take_profit": {"limit_price": "11"},
                "stop_loss": {"stop_price": "9", "limit_price": "8"},
            },
        ),
        (
            {"type": "trailing_stop", "tif": "gtc", "trail": "2", "trailUnit": "percent", "exits": "bracket"},
            _SHARE,
            {"type": "trailing_stop", "time_in_force": "gtc", "qty": "5", "trail_percent": "2"},
        ),
    ],
)
def test_only_what_applies_to_an_order_is_sent(
    plain_page: Any, draft: dict[str, str], instrument: dict[str, Any], sent: dict[str, Any]
) -> None:
    empty = {"side": "buy", "basis": "quantity", "quantity": "5", "exits": "none", "algorithm": "none", "venue": ""}
    found = plain_page.evaluate(
        """async ([draft, instrument]) => {
          (await import("/static/js/lib/time.js")).useZone("America/New_York");
          const form = await import("/static/js/lib/order-form.js");
          return [form.isDraftComplete(draft, instrument), form.orderOf(draft, instrument)];
        }""",
        [{**empty, **draft}, instrument],
    )
    assert found == [True, {"side": "buy", **sent}]
