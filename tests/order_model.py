"""One order as a person would keep it on paper: deliberately simple, and written from the specification alone.

It keeps a list of live fills and a few marks; it knows neither the lifecycle table nor the code that follows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from orders.domain.reports import ReportKind, VenueReport
from positions.domain.types import Side

ZERO = Decimal(0)
RECORDED, REPEAT, PARKED = "recorded", "repeat", "parked"
OPEN = ("pending_new", "new", "partially_filled", "stopped", "suspended")


@dataclass
class OnPaper:
    """An order: what was asked of it, what is marked on it, how it ended, and what it traded."""

    side: Side
    quantity: Decimal
    is_gtc: bool = True
    is_limit: bool = True
    is_sent: bool = False
    is_known: bool = False
    is_answered: bool = False
    mark: str = ""
    asked: str = ""
    asked_quantity: Decimal = ZERO
    asked_sent: bool = False
    asked_stale: bool = False
    end: str = ""
    in_doubt: bool = False
    splits: int = 0
    fills: dict[str, tuple[Decimal, Decimal, Decimal]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    early: dict[str, list[VenueReport]] = field(default_factory=dict)

    @property
    def filled(self) -> Decimal:
        return sum((quantity * factor for quantity, _, factor in self.fills.values()), ZERO)

    @property
    def traded(self) -> Decimal:
        return sum((quantity for quantity, _, _ in self.fills.values()), ZERO)

    @property
    def value(self) -> Decimal:
        return sum((quantity * price for quantity, price, _ in self.fills.values()), ZERO)

    @property
    def base(self) -> str:
        if self.end or not self.is_sent:
            return self.end or "accepted"
        if self.mark:
            return self.mark
        if self.filled >= self.quantity:
            return "filled"
        if self.fills:
            return "partially_filled"
        return "new" if self.is_known else "pending_new"

    @property
    def status(self) -> str:
        return f"pending_{self.asked}" if self.asked else self.base

    @property
    def left(self) -> Decimal:
        is_paused = self.mark == "done_for_day" and not self.is_gtc
        over = self.end or self.mark == "calculated" or is_paused
        return ZERO if over else max(self.quantity - self.filled, ZERO)

    @property
    def held(self) -> Decimal:
        wanted = self.asked_quantity - self.filled if self.asked == "replace" else ZERO
        return max(self.left, wanted, ZERO)

    @property
    def is_overdue(self) -> bool:
        """Tell whether the venue owes an answer to something that it was sent."""
        owes = not self.is_answered or (self.asked != "" and self.asked_sent)
        return self.is_sent and not self.end and not self.in_doubt and owes

    def may_replace(self, quantity: Decimal) -> bool:
        base = self.base
        is_open = base in ("new", "partially_filled", "stopped") or (base == "filled" and quantity > self.filled)
        return not self.asked and is_open

    def cancel(self) -> str:
        """Ask for a cancel: `canceled`, `requested`, or the code of the refusal."""
        if self.asked:
            return "CANCEL_ALREADY_PENDING" if self.asked == "cancel" else "REPLACE_PENDING"
        if self.base == "accepted":
            self.end = "canceled"
            return "canceled"
        if self.base not in OPEN:
            return "ORDER_NOT_CANCELABLE"
        self.ask("cancel")
        return "requested"

    def ask(self, what: str, quantity: Decimal = ZERO) -> None:
        self.asked, self.asked_sent, self.asked_quantity, self.asked_stale = what, False, quantity, False

    def hear(self, report: VenueReport) -> list[str]:
        """Take a report in, and what waited for it; return what became of each."""
        heard = self.judge(report)
        if heard != RECORDED:
            return [heard]
        self.in_doubt, self.is_answered = False, True
        found = [heard]
        for late in self.early.pop(report.exec_id or "", []):
            # What is still not possible stays parked, without a word.
            found += [each for each in self.hear(late) if each != PARKED]
        return found

    def judge(self, report: VenueReport) -> str:
        kind = report.restatement.value if report.restatement else report.kind.value
        is_done = getattr(self, f"hear_{kind}")(report)
        return is_done if isinstance(is_done, str) else RECORDED if is_done else PARKED

    def hear_new(self, report: VenueReport) -> bool:
        if self.base == "pending_new":
            self.is_known = True
            return True
        return self.base in ("partially_filled", "filled") or (self.end in ("canceled", "expired"))

    def hear_trade(self, report: VenueReport) -> bool:
        if self.base in ("rejected", "done_for_day", "calculated"):
            return False
        self.book(report, Decimal(1))
        return True

    def book(self, report: VenueReport, factor: Decimal) -> None:
        self.fills[str(report.exec_id)] = (report.quantity or ZERO, report.price or ZERO, factor)
        self.is_known = True
        if self.mark == "stopped" and report.kind is ReportKind.TRADE:
            self.mark = ""

    def hear_stopped(self, report: VenueReport) -> bool:
        return self.put_mark("stopped", "new", "partially_filled")

    def hear_suspended(self, report: VenueReport) -> bool:
        return self.put_mark("suspended", "new", "partially_filled")

    def hear_release(self, report: VenueReport) -> bool:
        return self.put_mark("", "suspended")

    def hear_calculated(self, report: VenueReport) -> bool:
        return self.put_mark("calculated", "filled", "done_for_day")

    def hear_renewal(self, report: VenueReport) -> bool:
        return self.is_gtc and self.put_mark("", "done_for_day")

    def hear_done_for_day(self, report: VenueReport) -> bool:
        is_done = self.put_mark("done_for_day", "new", "partially_filled")
        if is_done and not self.is_gtc:
            self.asked = ""
        return is_done

    def put_mark(self, mark: str, *bases: str) -> bool:
        if self.base not in bases:
            return False
        self.mark = mark
        return True

    def hear_split(self, report: VenueReport) -> bool:
        if not self.is_gtc or self.base not in (*OPEN, "done_for_day"):
            return False
        ratio = report.ratio or Decimal(1)
        self.quantity *= ratio
        self.asked_quantity *= ratio
        self.asked_stale = True
        self.splits += 1
        self.fills = {key: (quantity, price, by * ratio) for key, (quantity, price, by) in self.fills.items()}
        return True

    def hear_canceled(self, report: VenueReport) -> bool:
        return self.finish("canceled")

    def hear_expired(self, report: VenueReport) -> bool:
        return self.finish("expired")

    def hear_rejected(self, report: VenueReport) -> bool:
        return self.base in ("pending_new", "new") and not self.fills and self.finish("rejected")

    def hear_status_unknown_order(self, report: VenueReport) -> bool | str:
        if not self.in_doubt:
            return REPEAT
        if self.base not in (*OPEN, "done_for_day"):
            return False
        return self.finish("canceled" if self.fills else "rejected", is_certain=True)

    def finish(self, how: str, *, is_certain: bool = False) -> bool:
        is_asked_of_paused = self.base == "done_for_day" and (self.asked != "" or is_certain)
        if self.base not in OPEN and not is_asked_of_paused:
            return False
        self.end, self.mark, self.asked = how, "", ""
        return True

    def hear_cancel_rejected(self, report: VenueReport) -> bool:
        return self.refused("cancel")

    def hear_replace_rejected(self, report: VenueReport) -> bool:
        return self.refused("replace")

    def refused(self, what: str) -> bool:
        if self.asked == what:
            self.asked = ""
            return True
        return not self.asked and self.base in ("canceled", "expired", "rejected", "done_for_day")

    def hear_replaced(self, report: VenueReport) -> bool:
        if self.asked != "replace" or self.base == "calculated":
            return False
        self.quantity = max(report.quantity or ZERO, self.filled)
        self.asked, self.mark = "", ""
        return True

    def hear_trade_cancel(self, report: VenueReport) -> bool | str:
        taken = self.take_back(report)
        if isinstance(taken, str):
            return taken
        if self.mark == "done_for_day":
            self.mark = ""
        self.gone.add(str(report.exec_id))
        return True

    def hear_trade_correct(self, report: VenueReport) -> bool | str:
        taken = self.take_back(report)
        if isinstance(taken, str):
            return taken
        self.book(report, taken[2])
        return True

    def take_back(self, report: VenueReport) -> str | tuple[Decimal, Decimal, Decimal]:
        named = str(report.ref_exec_id)
        if named in self.gone:
            return REPEAT
        if named not in self.fills:
            self.early.setdefault(named, []).append(report)
            return PARKED
        self.gone.add(named)
        return self.fills.pop(named)
