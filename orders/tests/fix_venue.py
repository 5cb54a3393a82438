"""A FIX 4.4 venue in a process of its own, to be killed: `python -m orders.tests.fix_venue <port> <folder>`.

QuickFIX accepts, checks every message against its dictionary and keeps the session; a book in SQLite matches against
the market that a test shows. One JSON command a line on standard input, one answer a line on standard output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import quickfix

from orders.tests.fix_book import Book, BookedOrder, Fields, now, order_fields

SESSIONS = 64
SETTINGS = """[DEFAULT]
ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
StartTime=00:00:00
EndTime=00:00:00
FileStorePath={folder}
UseDataDictionary=Y
DataDictionary={dictionary}
"""
ONE_SESSION = """[SESSION]
BeginString=FIX.4.4
SenderCompID=VENUE
TargetCompID=PORTAL{number}
"""
Levels = list[tuple[Decimal, Decimal]]


class Venue(quickfix.Application):
    """Answer orders, cancels, replaces and status requests; a lock keeps FIX and commands apart."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.book = Book(folder / "book.sqlite")
        self.lock = threading.RLock()
        self.bids: Levels = []
        self.asks: Levels = []
        self.next: dict[str, Any] = {}
        self.after: dict[str, int] = {}
        self.logons: list[Fields] = []
        self.heard: list[str] = []
        self.partner = ""

    # What QuickFIX calls

    def onCreate(self, session): ...  # noqa: N802

    def onLogon(self, session):  # noqa: N802
        with self.lock:
            self.flush(possible_resend=True)  # what a kill kept from being sent

    def onLogout(self, session): ...  # noqa: N802

    def toAdmin(self, message, session): ...  # noqa: N802

    def toApp(self, message, session): ...  # noqa: N802

    def fromAdmin(self, message, session):  # noqa: N802
        if message.getHeader().getField(35) == "A":
            self.logons.append({tag: message.getField(tag) for tag in (553, 554) if message.isSetField(tag)})

    def fromApp(self, message, session):  # noqa: N802
        fields = taken_apart(message)
        self.heard.append(fields[35])
        self.partner = fields[49]
        answer = {
            "D": self.new_order,
            "F": self.cancel,
            "G": self.replace,
            "H": self.status,
            "AF": self.mass_status,
        }.get(fields[35])
        if answer is None:
            raise quickfix.UnsupportedMessageType
        if self.once("session_reject"):
            raise quickfix.IncorrectTagValue(55)
        if self.once("kill"):  # before anything is stored
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            with self.lock:
                self.act(lambda: answer(fields))
        except Exception as error:
            sys.stderr.write(f"venue: {error!r} at {fields}\n")
            raise

    # What it does

    def act(self, change: Callable[[], Any]) -> Any:
        with self.book.turn():
            result = change()
        if self.once("kill_unsent"):  # stored, and nobody was told
            os.kill(os.getpid(), signal.SIGKILL)
        self.flush()
        if self.once("kill_sent"):  # told, and the message that asked for it not yet counted
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def flush(self, possible_resend: bool = False) -> None:
        unsent = self.book.unsent()
        for _, fields in unsent:
            self.send(fields, possible_resend=possible_resend)
        self.book.sent([number for number, _ in unsent])

    def send(self, fields: Fields, possible_resend: bool = False) -> None:
        message = quickfix.Message()
        partner = self.book.partner(fields) or self.partner
        message.getHeader().setField(35, fields[35])
        if possible_resend:
            message.getHeader().setField(97, "Y")
        for tag, value in fields.items():
            if tag != 35:
                message.setField(tag, value)
        quickfix.Session.sendToTarget(message, quickfix.SessionID("FIX.4.4", "VENUE", partner))

    def once(self, what: str) -> Any:
        if what in self.next and self.after[what] > 0:
            self.after[what] -= 1
            return None
        return self.next.pop(what, None)

    def new_order(self, fields: Fields) -> None:
        if self.once("lose_message"):
            return
        known = self.book.find(fields[11])
        if known is not None:
            self.again(known, fields)
            return
        order = BookedOrder(
            number=self.book.next_number(), partner=fields[49], name=fields[11], symbol=fields[55], side=fields[54],
            order_type=fields[40], time_in_force=fields.get(59, "0"), quantity=Decimal(fields[38]),
            price=Decimal(fields[44]) if 44 in fields else None,
        )  # fmt: skip
        self.book.save(order, fields[11])
        if self.once("business_reject"):
            self.book.note(order.number, "j", {
                35: "j", 45: fields[34], 372: "D", 379: fields[11], 380: "4", 58: "closed for the day",
            })  # fmt: skip
            return
        loses = self.once("lose_answer")
        if order.symbol.startswith("NO-"):
            self.end(order, "8", _103="1", _58="no such symbol")
        else:
            self.accept(order)
        if loses:
            self.book.hold(order)

    def again(self, order: BookedOrder, fields: Fields) -> None:
        """Answer a second copy: with all that was said if it may be a repeat, with a refusal if it claims to be new."""
        if fields.get(97) == "Y":
            for said in self.book.reports_of(order):
                self.send(said, possible_resend=True)
        else:
            self.book.report(order, "8", _39="8", _103="6", _58="duplicate ClOrdID")

    def accept(self, order: BookedOrder) -> None:
        if self.next.get("pending"):
            self.book.report(order, "A")
        order.status = "0"
        if early := self.once("fill_early"):
            self.trade(order, Decimal(early[0]), Decimal(early[1]))
            self.book.report(order, "0")
            return
        self.book.report(order, "0")
        self.match(order)
        if order.is_open and order.time_in_force in ("3", "4"):
            self.end(order, "4", _58="nothing left to trade with")
        self.book.save(order)

    def match(self, order: BookedOrder) -> None:
        levels = self.asks if order.side == "1" else self.bids
        sign = 1 if order.side == "1" else -1
        within = [level for level in levels if order.price is None or (order.price - level[0]) * sign >= 0]
        if order.time_in_force == "4" and sum(size for _, size in within) < order.leaves:
            return
        for price, size in within:
            quantity = min(size, order.leaves)
            if quantity:
                levels[levels.index((price, size))] = (price, size - quantity)
                self.trade(order, quantity, price)

    def trade(self, order: BookedOrder, quantity: Decimal, price: Decimal) -> None:
        order.filled += quantity
        order.value += quantity * price
        if order.is_open and order.status != "9":
            order.status = order.by_fills()
        self.book.save(order)
        self.book.report(order, "F", _32=quantity, _31=price, **self.next.get("fees", {}))

    def end(self, order: BookedOrder, status: str, **more: str) -> None:
        order.status = status
        self.book.save(order)
        self.book.report(order, status, **more)

    def cancel(self, fields: Fields) -> None:
        order = self.book.find(fields[41])
        if order is None or self.once("refuse_cancel") or not order.is_open:
            self.refuse(order, fields, "1")
            return
        if self.next.get("pending"):
            self.book.report(order, "6", _39="6", _11=fields[11], _41=fields[41])
        if self.next.get("hold_cancels"):
            return
        order.status = "4"
        self.book.save(order)
        self.book.report(order, "4", _11=fields[11], _41=fields[41])

    def refuse(self, order: BookedOrder | None, fields: Fields, response_to: str) -> None:
        reason = "1" if order is None else "2" if order.is_open else "0"
        self.book.note(order.number if order else 0, "9", {
            35: "9", 37: f"V{order.number}" if order else "NONE", 11: fields[11], 41: fields[41],
            39: order.status if order else "8", 434: response_to, 102: reason, 60: now(),
        })  # fmt: skip

    def replace(self, fields: Fields) -> None:
        order = self.book.find(fields[41])
        if order is not None and order.name == fields[11]:  # answered before
            for said in self.book.reports_of(order)[-1:]:
                self.send(said, possible_resend=True)
            return
        if order is None or self.once("refuse_replace") or not order.is_open:
            self.refuse(order, fields, "2")
            return
        if self.next.get("pending"):
            self.book.report(order, "E", _39="E", _11=fields[11], _41=fields[41])
        order.name, order.quantity = fields[11], max(Decimal(fields[38]), order.filled)
        order.price = Decimal(fields[44]) if 44 in fields else order.price
        order.status = order.by_fills()
        self.book.save(order, fields[11])
        self.book.report(order, "5", _41=fields[41])
        self.match(order)
        self.book.save(order)

    def status(self, fields: Fields) -> None:
        if self.next.get("ignore_status"):
            return
        order = self.book.find(fields[11])
        if order is None:
            self.send({
                35: "8", 37: "NONE", 17: "0", 150: "I", 39: "8", 103: "5", 11: fields[11], 790: fields[790],
                55: fields[55], 54: fields[54], 151: "0", 14: "0", 6: "0", 60: now(),
            })  # fmt: skip
            return
        self.send({35: "8", 17: "0", 150: "I", 790: fields[790], 60: now(), **order_fields(order)})

    def mass_status(self, fields: Fields) -> None:
        mine = [order for order in self.book.all() if order.partner == fields[49]]
        if not mine:
            self.send({
                35: "8", 37: "NONE", 17: "0", 150: "I", 39: "8", 584: fields[584], 911: "0", 912: "Y", 55: "[N/A]",
                54: "1", 151: "0", 14: "0", 6: "0", 60: now(),
            })  # fmt: skip
        for order in mine:
            self.send({
                35: "8", 17: "0", 150: "I", 584: fields[584], 911: str(len(mine)),
                912: "Y" if order is mine[-1] else "N", 60: now(), **order_fields(order),
            })  # fmt: skip

    # What a test commands

    def show(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        self.bids = [(Decimal(price), Decimal(size)) for price, size in bids]
        self.asks = [(Decimal(price), Decimal(size)) for price, size in asks]
        for order in self.book.all():
            if order.status in ("0", "1", "7"):
                self.match(order)

    def fill(self, name: str, quantity: str, price: str) -> None:
        self.book.release(self.known(name))
        self.trade(self.known(name), Decimal(quantity), Decimal(price))

    def move(self, name: str, exec_type: str, status: str = "", **more: str) -> None:
        """Report anything of an order, which then has a status (of its fills when none is given)."""
        order = self.known(name)
        order.status = status or order.by_fills()
        self.book.save(order)
        self.book.report(order, exec_type, **more)

    def split(self, name: str, ratio: str) -> None:
        order = self.known(name)
        order.quantity *= Decimal(ratio)
        order.filled *= Decimal(ratio)
        order.price = order.price / Decimal(ratio) if order.price else None
        self.book.save(order)
        self.book.report(order, "D", _378="0")

    def bust(self, name: str) -> None:
        order, last = self.known(name), self.last(name, "F", "G")
        order.filled -= Decimal(last[32])
        order.value -= Decimal(last[32]) * Decimal(last[31])
        order.status = order.by_fills() if order.status in ("1", "2") else order.status
        self.book.save(order)
        self.book.report(order, "H", _19=last[17])

    def correct(self, name: str, quantity: str, price: str) -> None:
        order, last = self.known(name), self.last(name, "F", "G")
        order.filled += Decimal(quantity) - Decimal(last[32])
        order.value += Decimal(quantity) * Decimal(price) - Decimal(last[32]) * Decimal(last[31])
        self.book.save(order)
        self.book.report(order, "G", _19=last[17], _32=quantity, _31=price)

    def repeat(self, name: str) -> None:
        self.send(self.book.reports_of(self.known(name))[-1])

    def stray(self, partner: str, **fields: str) -> None:
        """Send any report at all."""
        self.partner = partner
        self.send({35: "8", **{int(tag[1:]): value for tag, value in fields.items()}})

    def set(self, what: str, value: Any, after: int = 0) -> None:
        """Let something happen once (or, for a few, until it is set to nothing), after so many messages."""
        self.next[what] = value
        self.after[what] = after

    def trades(self, partner: str) -> list[tuple[str, str, str, str]]:
        return self.book.trades(partner)

    def said(self) -> dict[str, Any]:
        return {"logons": self.logons, "heard": self.heard}

    def known(self, name: str) -> BookedOrder:
        order = self.book.find(name)
        if order is None:
            raise LookupError(f"no order {name}")
        return order

    def last(self, name: str, *exec_types: str) -> Fields:
        return next(f for f in reversed(self.book.reports_of(self.known(name))) if f.get(150) in exec_types)


def taken_apart(message: quickfix.Message) -> Fields:
    pairs = [part.partition("=") for part in message.toString().split("\x01") if part]
    return {int(tag): value for tag, _, value in reversed(pairs)}


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    venue = Venue(folder)
    head = SETTINGS.format(
        port=port, folder=folder / "store", dictionary=Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    )
    config = folder / "venue.cfg"
    config.write_text(head + "".join(ONE_SESSION.format(number=number) for number in range(SESSIONS)))
    settings = quickfix.SessionSettings(str(config))
    stores = quickfix.FileStoreFactory(settings)
    acceptor = quickfix.SocketAcceptor(venue, stores, settings)
    acceptor.start()
    say(ready=port)
    for line in sys.stdin:
        command, words = json.loads(line)
        try:
            with venue.lock:
                answer = venue.act(lambda command=command, words=words: getattr(venue, command)(**words))
            say(answer=answer)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            say(error=repr(error))
    os._exit(0)


if __name__ == "__main__":
    main()
