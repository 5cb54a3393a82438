"""The ticket goes by the rules that the server wrote into its page, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest

from orders.domain.forms import order_rules
from tests.browser.desk import rules_write

pytestmark = pytest.mark.browser

SHARE = {"asset_class": "us_equity", "is_fractionable": True, "lot_size": "1", "currency": "USD"}
COIN = {"asset_class": "crypto", "is_fractionable": False, "lot_size": "0.0001", "currency": "USD"}
DRAFT = {"type": "limit", "tif": "day", "exits": "none", "algorithm": "none", "basis": "quantity", "extended": "yes"}


@pytest.fixture
def form_of(browser: Any, portal: dict[str, Any]) -> Any:
    """Give what the ticket makes of a draft on a page that carries rules."""
    page = browser.new_page()

    def asked(rules: dict[str, object], draft: dict[str, str], instrument: dict[str, Any]) -> dict[str, Any]:
        page.goto(f"{portal['url']}/sign-in")
        rules_write(page, rules)
        found: dict[str, Any] = page.evaluate(
            """async ([draft, instrument]) => {
              const form = await import("/static/js/lib/order-form.js");
              const { typed } = await import("/static/js/lib/numbers.js");
              const longest = ["9".repeat(15), "9".repeat(16), "9.5"].map(typed);
              return { ...form.chosen(draft, instrument), exitsOf: form.exitsOf(draft), longest };
            }""",
            [{**DRAFT, **draft}, instrument],
        )
        return found

    yield asked
    page.close()


def test_a_form_offers_what_the_server_takes(form_of: Any) -> None:
    share, coin = (form_of(order_rules(), {}, each) for each in (SHARE, COIN))
    assert share["times"] == ["day", "gtc", "gtd", "ioc", "fok", "opg", "cls"]
    assert coin["times"] == ["day", "gtc", "gtd", "ioc", "fok"]
    assert (share["isExtended"], coin["isExtended"]) == (True, False)
    assert share["exitsOf"] == ["none", "bracket", "oto_profit", "oto_stop", "oco"]
    assert share["longest"] == ["9" * 15, None, "9.5"]
    assert form_of(order_rules(), {"type": "stop"}, SHARE)["times"] == ["day", "gtc", "gtd"]


def test_other_rules_make_another_form_so_none_stands_in_the_page_itself(form_of: Any) -> None:
    rules = {**order_rules(), "times": ["day", "gtc"], "auctions": [], "oco_types": [], "extended_types": ["stop"]}
    form = form_of({**rules, "with_limit": [], "with_stop": ["limit"], "whole_digits": 3, "places": 1}, {}, SHARE)
    assert form["times"] == ["day", "gtc", "gtd"]
    assert (form["isExtended"], form["hasLimit"], form["hasStop"]) == (False, False, True)
    assert "oco" not in form["exitsOf"]
    assert form["longest"] == [None, None, "9.5"]
    assert form_of({**rules, "resting_times": ["day"]}, {"type": "stop"}, SHARE)["times"] == ["day"]
