"""One FIX session as the acceptor drives it, without sockets and without a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from orders.domain.fix import time_to_fix
from orders.gateways.fix.wire import encode, fields_of, gap_range
from trading_portal.kernel import clock

pytest.importorskip("quickfix")

from orders.gateways.fix.engine import FixEngine


def message(kind: str, number: int, *pairs: tuple[int, str]) -> str:
    """Return a message sent just now: QuickFIX goes by its own clock, whatever the portal's says."""
    sent_at = time_to_fix(datetime.now(UTC))
    return encode([(35, kind), (34, str(number)), (49, "PARTNER"), (52, sent_at), (56, "PORTAL"), *pairs])


class Side:
    """The partner's side of a session: what it sends, numbered, and what it hears."""

    def __init__(self, next_sender: int = 1, next_target: int = 1) -> None:
        self.engine = FixEngine(comp_id="PORTAL", partner="PARTNER", next_sender=next_sender, next_target=next_target)
        self.number = next_target

    def send(self, kind: str, *pairs: tuple[int, str], number: int | None = None) -> list[dict[int, str]]:
        given = self.number if number is None else number
        self.number = given + 1
        self.engine.receive(message(kind, given, *pairs))
        return self.heard()

    def log_on(self, *pairs: tuple[int, str], **options: int) -> list[dict[int, str]]:
        return self.send("A", (98, "0"), (108, "30"), *pairs, **options)

    def heard(self) -> list[dict[int, str]]:
        return [fields_of(each.text) for each in self.engine.take_output()]

    def numbers(self) -> tuple[int, int]:
        return self.engine.next_sender, self.engine.next_target


@pytest.fixture
def side() -> Iterator[Side]:
    side = Side(next_sender=50, next_target=7)
    yield side
    side.engine.close()


def test_a_session_goes_on_from_the_numbers_it_had(side):
    (logon,) = side.log_on()
    assert (logon[35], logon[34]) == ("A", "50")
    assert side.numbers() == (51, 8)
    assert side.engine.is_logged_on


def test_numbers_do_not_begin_again_with_a_new_day():
    with clock.frozen(clock.now()):
        side = Side(next_sender=50, next_target=7)
        side.log_on()
        clock.step(timedelta(days=1))
        side.engine.tick()
        assert [each[35] for each in side.send("1", (112, "there?"))] == ["0"]
        assert side.numbers() == (52, 9)
        side.engine.close()


def test_what_is_missing_is_asked_for_and_what_comes_too_early_waits(side):
    heard = side.log_on(number=9)
    assert [(each[35], each.get(7)) for each in heard] == [("A", None), ("2", "7")]
    assert side.engine.next_target == 7
    side.send("D", (11, "a"), (55, "AAPL"), (54, "1"), (38, "1"), (40, "1"), number=10)
    assert side.engine.take_inbox() == []
    side.send("4", (43, "Y"), (122, "20260101-00:00:00"), (123, "Y"), (36, "10"), number=7)
    assert [each.fields[11] for each in side.engine.take_inbox()] == ["a"]
    assert side.engine.next_target == 11


def test_a_number_that_was_used_before_ends_the_session(side):
    (goodbye,) = side.log_on(number=3)
    assert goodbye[35] == "5"
    assert "too low" in goodbye[58]
    assert side.engine.is_over


def test_what_is_asked_for_again_is_told_as_a_gap_to_be_filled_from_what_was_stored(side):
    side.log_on()
    side.engine.send("8", [(37, "x")])
    assert [(each.number, each.is_kept, each.is_sent) for each in side.engine.take_output()] == [(51, True, True)]
    side.engine.receive(message("2", 8, (7, "1"), (16, "0")))
    (gap,) = side.engine.take_output()
    assert gap_range(gap.text) == (1, 52)
    assert not gap.is_kept


def test_what_is_sent_after_a_goodbye_only_takes_its_number(side):
    side.log_on()
    assert [each[35] for each in side.send("5")] == ["5"]
    assert side.engine.is_over
    side.engine.send("8", [(37, "x")])
    assert [(each.number, each.is_kept, each.is_sent) for each in side.engine.take_output()] == [(52, True, False)]
