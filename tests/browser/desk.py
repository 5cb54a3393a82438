"""Drive the trade workspace as a person does, and fail on anything a browser complains about."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Locator, Page, Request, Response, expect

from tests.browser.traders import Trader

WAIT = 15_000
_WATCH_POLICY = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
_WRITE_RULES = """
(rules) => {
  const written = document.createElement("script");
  Object.assign(written, { id: "order-rules", type: "application/json", textContent: JSON.stringify(rules) });
  document.body.append(written);
}
"""


def rules_write(page: Page, rules: dict[str, object]) -> None:
    """Write the rules of orders into a page, as pages with a ticket have them."""
    page.evaluate(_WRITE_RULES, rules)


class Watch:
    """Note what no page may do: break the policy, throw, or speak to another origin."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.complaints: list[str] = []
        self.commands: list[Request] = []
        context.add_init_script(_WATCH_POLICY)
        context.on("page", self._follow)

    def _follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"pageerror {error}"))
        page.on("console", lambda message: message.text.startswith("CSP ") and self.complaints.append(message.text))
        page.on("request", self._note_request)
        page.on("response", self._note_response)

    def _note_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != self.host:
            self.complaints.append(f"foreign request {request.url}")
        if request.method == "POST" and address.path == "/orders/commands":
            self.commands.append(request)

    def _note_response(self, response: Response) -> None:
        address = urlsplit(response.url)
        if address.path.startswith("/static/") and response.status >= 400:
            self.complaints.append(f"{response.status} {address.path}")


class Desk:
    """One trader's open workspace."""

    def __init__(self, page: Page, watch: Watch, url: str) -> None:
        self.page = page
        self.watch = watch
        self.url = url

    def sign_in(self, trader: Trader, *, expect_live: bool = True) -> None:
        """Sign in and wait for live prices."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.fill("#id_username", trader.username)
        self.page.fill("#id_password", trader.password)
        self.page.get_by_role("button", name="Sign in").click()
        if expect_live:
            self.wait_live()

    def wait_live(self) -> None:
        """Wait until the connection says Live and a price is shown."""
        expect(self.connection).to_have_attribute("data-state", "live", timeout=WAIT)
        expect(self.part("tp-chart", "last")).to_have_text(re.compile(r"\d"), timeout=WAIT)

    @property
    def connection(self) -> Locator:
        return self.page.locator("tp-connection")

    @property
    def ticket(self) -> Locator:
        return self.page.locator("tp-ticket")

    def part(self, element: str, name: str) -> Locator:
        """Return one named part of an element."""
        return self.page.locator(f"{element} [data-part={name}]").first

    def orders(self) -> Locator:
        """Return the rows of orders, newest first."""
        return self.page.locator("tp-orders tbody tr[data-key]:not(.detail)")

    def fill_ticket(self, *, quantity: str, side: str = "buy", limit: str | None = None, tif: str = "day") -> None:
        """Fill the ticket in; without a limit it is a market order."""
        self.ticket.locator(f"[data-side={side}]").click()
        self.ticket.locator(f"[data-type={'limit' if limit else 'market'}]").click()
        self.page.fill("#ticket-quantity", quantity)
        self.page.select_option("#ticket-tif", tif)
        if limit:
            self.page.fill("#ticket-limit", limit)

    def review(self) -> None:
        """Open the review, and let it arm."""
        self.part("tp-ticket", "review").click()
        expect(self.part("tp-ticket", "confirm")).to_be_visible()
        self.page.wait_for_timeout(450)

    def place(self, **values: Any) -> None:
        """Fill in, review, confirm."""
        self.fill_ticket(**values)
        self.review()
        self.part("tp-ticket", "confirm").click()

    def price_away(self, percent: int) -> str:
        """Return a limit price so many percent below the bid, on a whole number: it rests."""
        bid = self.page.locator("tp-ticket [data-part=bid]").inner_text().replace(",", "")
        return str(int(bid.split(".")[0]) * (100 - percent) // 100)
