"""FIX on the wire: messages found in bytes, and what is sent again in place of a gap."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orders.gateways.fix.wire import (
    Framer,
    WireError,
    encode,
    fields_of,
    gap_filled,
    gap_parts,
    gap_range,
    pairs_of,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SENT = "20260101-00:00:00.000"


def message(kind: str, number: int, *pairs: tuple[int, str]) -> str:
    return encode([(35, kind), (34, str(number)), (49, "PORTAL"), (52, SENT), (56, "PARTNER"), *pairs])


ORDER = message("D", 7, (11, "größer"), (55, "AAPL")).encode()


def test_messages_are_found_however_the_bytes_arrive():
    framer = Framer()
    stream = ORDER * 3
    found = [text for byte in stream for text in framer.feed(bytes([byte]))]
    assert found == [ORDER.decode()] * 3


@pytest.mark.parametrize(
    "garbled",
    [
        b"noise",
        b"8=FIX",
        b"8=FIX.4.4\x01nonsense that goes on for a while and has no length\x01",
        ORDER[:-4] + b"000\x01",
        ORDER.replace(b"9=", b"9=1", 1)[:40],
        ORDER.replace("größer".encode(), "größer".encode("latin-1") + b"  "),
    ],
)
def test_what_is_garbled_is_passed_over_and_the_next_message_found(garbled):
    found = Framer().feed(garbled + ORDER + ORDER)
    assert found[-1:] == [ORDER.decode()]


def test_a_message_without_an_end_is_no_message():
    with pytest.raises(WireError):
        Framer().feed(b"8=FIX.4.4\x019=999999\x01" + b"x" * 100)


def test_of_a_field_that_comes_twice_the_first_counts():
    assert fields_of("35=D\x01448=a\x01448=b\x01junk\x01") == {35: "D", 448: "a"}


def test_in_place_of_a_gap_stored_messages_are_sent_again_and_gaps_only_between_them():
    gap = message("4", 3, (43, "Y"), (122, SENT), (123, "Y"), (36, "9"))
    stored = {number: message("8", number, (17, f"e{number}")) for number in (4, 5, 7, 12)}
    sent = [fields_of(text) for text in gap_filled(gap, stored, at=AT)]
    assert [(each[35], each[34], each.get(36), each.get(17)) for each in sent] == [
        ("4", "3", "4", None),
        ("8", "4", None, "e4"),
        ("8", "5", None, "e5"),
        ("4", "6", "7", None),
        ("8", "7", None, "e7"),
        ("4", "8", "9", None),
    ]
    again = sent[1]
    assert (again[43], again[52], again[122]) == ("Y", "20260102-03:04:05.000", SENT)
    for text in gap_filled(gap, stored, at=AT):
        assert Framer().feed(text.encode()) == [text]
        assert [tag for tag, _ in pairs_of(text)][:3] == [8, 9, 35]


def test_a_gap_in_which_nothing_was_kept_stays_one():
    gap = message("4", 3, (43, "Y"), (123, "Y"), (36, "9"))
    assert gap_filled(gap, {}, at=AT) == [gap]
    assert gap_filled(message("4", 3, (36, "9")), {4: "x"}, at=AT) == [message("4", 3, (36, "9"))]


def test_a_long_gap_is_filled_in_parts_that_leave_nothing_out():
    gap = message("4", 3, (43, "Y"), (122, SENT), (123, "Y"), (36, "9"))
    assert [gap_range(part) for part in gap_parts(gap, 2)] == [(3, 5), (5, 7), (7, 9)]
    assert gap_parts(gap, 6) == [gap]
