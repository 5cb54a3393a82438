"""Take in what a paper venue is told: orders, cancels and replaces, each answered once and the same way ever after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orders.brokers.paper.bookorder import BookOrder
from orders.brokers.paper.floor import Alarm, Floor
from orders.brokers.paper.market import Listing
from orders.brokers.paper.stage import WHY, Stage
from orders.brokers.paper.working import OPEN, REPORTED_ENDED, Pause, Working
from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.scenarios import SCENARIOS
from orders.domain.types import AUCTIONS, RESTING_TIMES, STOPS, WITH_LIMIT, OrderType, TimeInForce

Message = VenueOrder | VenueCancel | VenueReplace
Terms = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]


class Intake:
    """Work messages in their order; a repeat is answered with what was reported before."""

    def __init__(self, floor: Floor, stage: Stage) -> None:
        self._floor = floor
        self._stage = stage

    def take(self, messages: Sequence[Message], at: datetime, monotonic: float) -> None:
        """Accept orders, cancel and replace."""
        submits = {message.order_id: message.symbol for message in messages if isinstance(message, VenueOrder)}
        known = self._floor.store.known(submits) if submits else set()
        symbols = set(submits.values())
        self._floor.listed(symbols, at)
        self._floor.refresh_prices(symbols, at)
        replaces = [message for message in messages if isinstance(message, VenueReplace)]
        answered, past = self._past(replaces) if replaces else ({}, {})
        late: list[UUID] = []
        for message in messages:
            if isinstance(message, VenueOrder):
                if message.order_id in submits and message.order_id not in known:
                    del submits[message.order_id]
                    self._accept(message, at, monotonic)
            elif isinstance(message, VenueReplace):
                self._replace(message, answered, past, at)
            elif not self._cancel(message, at):
                late.append(message.order_id)
        self._floor.turn.repeated += self._floor.store.reports_of(known) if known else []
        self._answer_late(late, at)

    def _accept(self, sent: VenueOrder, at: datetime, monotonic: float) -> None:
        floor, listing = self._floor, self._floor.listings.get(sent.symbol)
        order = self._book_order(sent, listing, monotonic)
        scenario = sent.scenario if floor.profile.has_scenarios else ""
        working = Working(order, at, _expiry(sent, listing), scenario=scenario)
        floor.turn.new[order.order_id] = working
        why = "SCHEDULE_NOT_SUPPORTED" if sent.schedule else self._refusal(order, listing, scenario)
        if why:
            working.scenario = ""
            floor.end(working, ReportKind.REJECTED, why, at)
            return
        if scenario:
            self._stage.begin(working, at)
            return
        floor.report(order.order_id, ReportKind.NEW, at)
        if listing and order.time_in_force in AUCTIONS:
            working.pause, working.acts_at = Pause.AUCTION, _acts_at(order.time_in_force, listing)
        floor.enter(working)
        if listing and order.time_in_force is TimeInForce.GTC and listing.has_nights:
            floor.alarm(working, listing.session.closes_at, Alarm.CLOSE)
        floor.apply(floor.book(order.symbol).advance(monotonic), at)

    def _book_order(self, sent: VenueOrder, listing: Listing | None, monotonic: float) -> BookOrder:
        profile = self._floor.profile
        return BookOrder(
            order_id=sent.order_id,
            symbol=sent.symbol,
            side=sent.side,
            order_type=sent.order_type,
            time_in_force=sent.time_in_force,
            quantity=sent.quantity,
            limit_price=sent.limit_price,
            arrival=self._floor.next_arrival(),
            ready_at=monotonic + profile.resting,
            account_id=sent.account_id,
            stop_price=sent.stop_price,
            trail_price=sent.trail_price,
            trail_percent=sent.trail_percent,
            extended_hours=sent.extended_hours,
            slice=profile.slice_of(sent.quantity, lot=listing.lot) if listing else sent.quantity,
        )

    def _refusal(self, order: BookOrder, listing: Listing | None, scenario: str) -> str:
        """Return why this venue will not work an order; empty when it will."""
        if listing is None:
            return "UNKNOWN_SYMBOL"
        if scenario and scenario not in SCENARIOS:
            return "SCENARIO_UNKNOWN"
        if not _is_complete(order.order_type, _terms(order)):
            return "TERMS_INCOMPLETE"
        if listing.is_halted:
            return "HALTED"
        is_auction = order.time_in_force in AUCTIONS
        if is_auction and (order.order_type in STOPS or _acts_at(order.time_in_force, listing) is None):
            return "AUCTION_NOT_HELD"
        has_market = is_auction or self._floor.book(order.symbol).has_quote
        return "NO_MARKET" if order.order_type is OrderType.MARKET and not has_market else ""

    def _cancel(self, message: VenueCancel, at: datetime) -> bool:
        """Cancel an order that works; tell whether it did."""
        working = self._floor.open.get(message.order_id)
        if working is None or working.pause in REPORTED_ENDED:
            return False
        if self._stage.refuses(working, ReportKind.CANCEL_REJECTED):
            self._floor.report(message.order_id, ReportKind.CANCEL_REJECTED, at, reason=WHY)
        else:
            self._stage.cancel(working, at)
        return True

    def _answer_late(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """Answer cancels of orders that do not work any more; a repeated cancel gets the answer it got."""
        floor = self._floor
        past = [*floor.store.reports_of(order_ids), *floor.turn.reports] if order_ids else []
        for order_id in order_ids:
            reports = [report for report in past if report.order_id == order_id]
            answers = [r for r in reports if r.kind in (ReportKind.CANCELED, ReportKind.CANCEL_REJECTED)]
            if answers:
                floor.turn.repeated.append(answers[-1])
            else:
                why = "TOO_LATE" if reports else "UNKNOWN_ORDER"
                floor.report(order_id, ReportKind.CANCEL_REJECTED, at, reason=why)

    def _past(self, replaces: Sequence[VenueReplace]) -> tuple[dict[UUID, VenueReport], dict[UUID, Working]]:
        """Return the answers that requests were given before, and the orders that do not work any more."""
        floor = self._floor
        reports = floor.store.reports_of([replace.order_id for replace in replaces])
        ended = [replace.order_id for replace in replaces if replace.order_id not in floor.open]
        return {report.request_id: report for report in reports if report.request_id}, floor.store.orders(ended)

    def _replace(
        self, asked: VenueReplace, answered: dict[UUID, VenueReport], past: Mapping[UUID, Working], at: datetime
    ) -> None:
        """Change an order, or say why not; a request that was answered gets the same answer again."""
        floor, order_id = self._floor, asked.order_id
        if before := answered.get(asked.request_id):
            floor.turn.repeated.append(before)
            return
        turn = floor.turn
        working = floor.open.get(order_id) or turn.changed.get(order_id) or turn.new.get(order_id) or past.get(order_id)
        why = self._objection(working, asked, at)
        if working is None or why:
            kind = ReportKind.REPLACE_REJECTED
            answered[asked.request_id] = floor.report(order_id, kind, at, reason=why, request_id=asked.request_id)
            return
        quantity = max(asked.quantity, working.order.filled)
        answered[asked.request_id] = floor.report(
            order_id, ReportKind.REPLACED, at,
            quantity=quantity, price=asked.limit_price, stop_price=asked.stop_price, request_id=asked.request_id,
        )  # fmt: skip
        self._change(working, asked, at)

    def _objection(self, working: Working | None, asked: VenueReplace, at: datetime) -> str:
        """Return why an order cannot be changed so; empty when it can."""
        if working is None:
            return "UNKNOWN_ORDER"
        if working.pause in (Pause.SUSPENDED, Pause.DONE_FOR_DAY):
            return working.pause.value.upper()
        if working.state != OPEN or working.pause in REPORTED_ENDED:
            is_over = working.expires_at is not None and working.expires_at <= at
            can_go_on = working.state == "filled" and asked.quantity > working.order.filled and not is_over
            if not can_go_on or working.order.time_in_force not in RESTING_TIMES:
                return "TOO_LATE"
        if asked.time_in_force is not working.order.time_in_force and not {
            asked.time_in_force, working.order.time_in_force
        } <= RESTING_TIMES:  # fmt: skip
            return "TIME_IN_FORCE_NOT_SUPPORTED"
        if self._stage.refuses(working, ReportKind.REPLACE_REJECTED):
            return WHY
        return "" if _is_complete(working.order.order_type, _terms(asked)) else "TERMS_INCOMPLETE"

    def _change(self, working: Working, asked: VenueReplace, at: datetime) -> None:
        """Give an order its new terms; only one that asks for no more and no other price keeps its place."""
        floor, order = self._floor, working.order
        keeps_place = _terms(asked) == _terms(order) and order.filled < asked.quantity <= order.quantity
        if working.state != OPEN:
            floor.reopen(working)
        if not keeps_place:
            floor.book(order.symbol).remove(order)
            order.arrival = floor.next_arrival()
        order.limit_price, order.stop_price, order.trail_price, order.trail_percent = _terms(asked)
        order.quantity = max(asked.quantity, order.filled)
        self._retime(working, asked, at)
        floor.turn.restated[order.order_id] = working
        if not order.leaves:
            floor.finish(working, "filled")
        elif not keeps_place and working.pause is Pause.NONE:
            floor.arrive(working, at)

    def _retime(self, working: Working, asked: VenueReplace, at: datetime) -> None:
        """Let an order end when its new time in force says."""
        order = working.order
        is_gtc = asked.time_in_force is TimeInForce.GTC
        if asked.time_in_force is order.time_in_force and (not is_gtc or asked.expires_at == working.expires_at):
            return
        self._floor.listed([order.symbol], at)
        listing = self._floor.listings.get(order.symbol)
        order.time_in_force = asked.time_in_force
        working.expires_at = asked.expires_at
        if order.time_in_force is TimeInForce.DAY and listing:
            working.expires_at = listing.day_ends_at(extended_hours=order.extended_hours)
        self._floor.alarm(working, working.expires_at, Alarm.EXPIRE)


def _terms(given: BookOrder | VenueReplace) -> Terms:
    return given.limit_price, given.stop_price, given.trail_price, given.trail_percent


def _is_complete(order_type: OrderType, terms: Terms) -> bool:
    """Tell whether the prices are there that an order of this type needs."""
    limit_price, stop_price, trail_price, trail_percent = terms
    if order_type is OrderType.TRAILING_STOP:
        return trail_price is not None or trail_percent is not None
    has_limit = limit_price is not None or order_type not in WITH_LIMIT
    return has_limit and (stop_price is not None or order_type not in STOPS)


def _expiry(sent: VenueOrder, listing: Listing | None) -> datetime | None:
    """Return when the venue ends an order by itself: a day order with its session, another when it says so."""
    if sent.time_in_force is TimeInForce.DAY:
        return listing.day_ends_at(extended_hours=sent.extended_hours) if listing else None
    return sent.expires_at if sent.time_in_force is TimeInForce.GTC else None


def _acts_at(time_in_force: TimeInForce, listing: Listing) -> datetime | None:
    """Return the auction that an order is for: the next opening, or the coming close."""
    return listing.opening_at if time_in_force is TimeInForce.OPG else listing.closing_at
