"""What a page does when a frame is missing: it sees the gap, asks for the channel anew, and fetches what it missed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Request, WebSocketRoute

from tests.browser.desk import WAIT, Desk
from tests.browser.traders import Trader

pytestmark = pytest.mark.browser
Frame = dict[str, Any]


class Line:
    """The page's socket: what it asks and what it is told is noted, and one frame of a channel can be lost."""

    def __init__(self, desk: Desk) -> None:
        self.asked: list[Frame] = []
        self.told: list[Frame] = []
        self.lost: list[Frame] = []
        self.fetched: list[str] = []
        self._loses = ""
        self._page = desk.page
        desk.page.route_web_socket("**/ws", self._take)
        desk.page.on("request", self._note)

    def lose(self, channel: str) -> None:
        """Lose the next delta of a channel."""
        self.lost.clear()
        self._loses = channel

    def subscriptions(self, channel: str) -> list[Frame]:
        return [frame for frame in self.asked if frame["op"] == "subscribe" and frame.get("ch") == channel]

    def deltas(self, channel: str) -> list[Frame]:
        return [frame for frame in self.told if frame.get("type") == "delta" and frame.get("ch") == channel]

    def until(self, holds: Callable[[], Any]) -> None:
        left = WAIT
        while not holds():
            assert left > 0, "waited in vain"
            self._page.wait_for_timeout(50)
            left -= 50

    def _note(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.path == "/prices/candles":
            self.fetched.append(parse_qs(address.query)["symbol"][0])

    def _take(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def ask(message: str | bytes) -> None:
            self.asked.append(json.loads(message))
            server_side.send(message)

        def tell(message: str | bytes) -> None:
            frame = json.loads(message)
            if self._loses and frame.get("ch") == self._loses and frame.get("type") == "delta":
                self._loses = ""
                self.lost.append(frame)
                return
            self.told.append(frame)
            page_side.send(message)

        page_side.on_message(ask)
        server_side.on_message(tell)


@pytest.fixture
def followed(open_desk: Callable[..., Desk], trader: Trader) -> tuple[Desk, Line]:
    desk = open_desk()
    line = Line(desk)
    desk.sign_in(trader)
    return desk, line


def test_a_line_without_a_gap_is_asked_for_nothing_twice(followed: tuple[Desk, Line]) -> None:
    _, line = followed
    for channel in ("quotes", "depth", "candles"):
        line.until(lambda channel=channel: len(line.deltas(channel)) >= 4)
        assert len(line.subscriptions(channel)) == 1, channel
    assert len(line.fetched) == 1


def test_a_lost_change_of_the_book_is_seen_and_the_book_asked_for_anew(followed: tuple[Desk, Line]) -> None:
    desk, line = followed
    line.until(lambda: line.deltas("depth"))
    line.lose("depth")
    line.until(lambda: len(line.subscriptions("depth")) == 2)
    assert line.lost, "no frame was lost: the test proves nothing"
    (first, again) = line.subscriptions("depth")
    assert first["sym"] == again["sym"]
    told = len(line.deltas("depth"))
    line.until(lambda: len(line.deltas("depth")) >= told + 4)
    assert len(line.subscriptions("depth")) == 2
    best = desk.page.locator("tp-depth [data-side=bid] .ladder-row:not([hidden]) .price").first
    line.until(lambda: float(best.inner_text().replace(",", "")) == float(line.deltas("depth")[-1]["bids"][0][0]))


def test_a_lost_candle_is_seen_and_what_lay_between_is_fetched(followed: tuple[Desk, Line]) -> None:
    desk, line = followed
    line.until(lambda: line.deltas("candles") and line.fetched)
    line.lose("candles")
    line.until(lambda: len(line.subscriptions("candles")) == 2 and len(line.fetched) == 2)
    assert line.lost, "no frame was lost: the test proves nothing"
    (first, again) = line.subscriptions("candles")
    assert (first["sym"], first["interval"]) == (again["sym"], again["interval"])
    told = len(line.deltas("candles"))
    line.until(lambda: len(line.deltas("candles")) >= told + 3)
    assert (len(line.subscriptions("candles")), len(line.fetched)) == (2, 2)
    line.until(lambda: desk.part("tp-chart", "legend").inner_text().startswith("O "))


def test_what_an_interval_left_behind_is_no_gap_of_the_next(followed: tuple[Desk, Line]) -> None:
    desk, line = followed
    for times, interval in enumerate(("5m", "1h", "1m"), start=2):
        line.until(lambda: line.deltas("candles"))
        desk.page.locator(f"tp-chart [data-interval='{interval}']").click()
        line.told.clear()
        line.until(lambda interval=interval: [one for one in line.deltas("candles") if one["interval"] == interval])
        assert len(line.subscriptions("candles")) == len(line.fetched) == times
    assert [one["interval"] for one in line.subscriptions("candles")] == ["1m", "5m", "1h", "1m"]
