"""The FIX broker: an initiator's session with one venue, behind the same protocol as any other adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, connection

from orders.brokers.fix import messages
from orders.brokers.fix.asking import all_known, unknown_order
from orders.brokers.fix.folder import session_folder
from orders.brokers.fix.inbox import FixInbox
from orders.brokers.fix.link import FixLink
from orders.brokers.fix.messages import Message, Received
from orders.brokers.fix.profile import FixProfile
from orders.brokers.fix.store import Asked, FixStore, ended_by_cancel, order_asked, replace_asked
from orders.brokers.protocol import DropCopy, OnReports, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

STOP_SECONDS: Final = 4.0
T = TypeVar("T")
log = structlog.get_logger(__name__)


class FixBroker:
    """Speak FIX 4.4 to a venue. Every request is stored under its ClOrdID before it is sent, every report as it comes.

    Requests go out from a thread of their own, reports come in on another; both have their own database connection.
    A line that breaks is made again by the engine; what was asked meanwhile is in doubt, never sent late by surprise.
    FIX has no drop copy of its own: ours is what this session received, which resends make whole. What a venue never
    sent to this session (a session reset that lost messages, a trade done by phone) only its separate drop copy
    session or its end-of-day files would add.
    """

    def __init__(self, name: str, profile: FixProfile, root: Path) -> None:
        self._name = name
        self._profile = profile
        self._root = root
        self._store = FixStore(name)
        self._inbox = FixInbox(self._store, self._keep_line)
        self._link: FixLink | None = None
        self._stopping = False
        self._is_displaced = False
        self._sender = ThreadPoolExecutor(1, thread_name_prefix=f"fix-{name}-send")

    @property
    def name(self) -> str:
        """Return the venue's name."""
        return self._name

    async def start(self, on_reports: OnReports) -> None:
        """Log on; raise ConnectionError when the venue does not answer, after which it may be called again."""
        self._inbox.on_reports = on_reports
        if not await self._in_turn(self._open):
            raise ConnectionError(f"{self._name} does not answer at {self._profile.host}:{self._profile.port}.")

    async def stop(self) -> None:
        """Log out, having reported what came before."""
        if self._stopping:
            return
        self._stopping = True
        await asyncio.get_running_loop().run_in_executor(self._sender, self._close)
        await asyncio.to_thread(self._sender.shutdown)

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; one that the venue answered before is answered again from what is stored."""
        await self._in_turn(partial(self._submit, orders))

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        await self._in_turn(partial(self._cancel, cancels))

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes."""
        await self._in_turn(partial(self._replace, replaces))

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Ask for the status of orders; return every report so far. TimeoutError when the venue answers none."""
        asked = await self._in_turn(partial(self._ask_status, order_ids))
        questions = [asyncio.wrap_future(question) for question in asked.values()]
        if questions:
            done, _ = await asyncio.wait(questions, timeout=self._profile.answer_seconds)
            for name in {question[0] for question in asked}:
                self._inbox.questions.pop(name, None)
            if not done:
                raise TimeoutError(f"{self._name} does not answer status requests.")
        answers = {order_id: question.result() for (_, order_id), question in asked.items() if question.done()}
        return await self._in_turn(partial(self._all_known, order_ids, answers))

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return what this session received after a point, oldest first."""
        self._require_ours()
        return await asyncio.to_thread(self._read_drop_copy, since_id)

    async def _in_turn(self, call: Callable[[], T]) -> T:
        """Run a call on the sending thread, after all that was asked before."""
        self._require_ours()
        return await asyncio.get_running_loop().run_in_executor(self._sender, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (DatabaseError, InterfaceError):
            connection.close()
            raise

    def _require_ours(self) -> None:
        if self._stopping or self._is_displaced:
            raise VenueGone(f"{self._name} is spoken to from elsewhere, or not any more.")

    def _line(self) -> FixLink:
        self._require_ours()
        if self._link is None or not self._link.is_up:
            raise ConnectionError(f"{self._name} is not logged on.")
        return self._link

    # The line

    def _open(self) -> bool:
        """Take the session over and log on; leave nothing behind that goes on trying when that fails."""
        if self._link is None:
            era, received_up_to = self._store.open(clock.now())
            folder = session_folder(self._root, self._name, self._store.generation)
            link = FixLink(self._name, self._profile, self._inbox.take)
            link.open(folder, era, received_up_to)
            self._link = link
            self._inbox.start()
        if self._link.wait_until_up(self._profile.answer_seconds):
            return True
        self._link.close()
        self._link = None
        return False

    def _keep_line(self) -> None:
        """Let a broken line be made again, unless another process has taken the session over."""
        link = self._link
        if link is None or link.is_up or self._is_displaced:
            return
        if self._store.is_ours():
            link.reconnect()
        else:
            log.warning("fix.displaced", venue=self._name, generation=self._store.generation)
            self._is_displaced = True

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._inbox.stop(STOP_SECONDS)
        connection.close()

    def _read_drop_copy(self, since_id: int) -> DropCopy:
        try:
            return self._store.reports_after(since_id)
        finally:
            connection.close()

    # Requests, on the sending thread

    def _send(self, sent: Sequence[Message]) -> None:
        link = self._line()
        taken = [link.send(message) for message in sent]
        if not all(taken):
            raise ConnectionError(f"The line to {self._name} broke while {len(sent)} messages were sent.")

    def _store_requests(self, requests: Sequence[Asked], at: datetime) -> set[str]:
        new = self._store.ask(requests, at)
        for request in requests:
            self._inbox.learn(request.name, request.order_id, request.kind)
        return new

    def _submit(self, orders: Sequence[VenueOrder]) -> None:
        self._line()
        at = clock.now()
        wanted = {order.order_id: order for order in orders}
        refused = {key: why for key, order in wanted.items() if (why := self._refusal(order))}
        sent = [order for key, order in wanted.items() if key not in refused]
        new = self._store_requests([order_asked(order) for order in sent], at)
        past = self._past([order.order_id for order in sent if str(order.order_id) not in new])
        for order_id, why in refused.items():
            self._inbox.own(self._local(ReportKind.REJECTED, order_id, why, at))
        for reports in past.values():
            self._inbox.repeat(reports)
        self._send(
            [
                messages.new_order(order, self._profile, at=at, is_possible_resend=str(order.order_id) not in new)
                for order in sent
                if order.order_id not in past
            ]
        )

    def _refusal(self, order: VenueOrder) -> str:
        """Return why this session cannot carry an order; empty when it can."""
        if order.schedule is not None:
            return "ALGORITHM_NOT_SUPPORTED"
        if order.extended_hours and not self._profile.extended_session:
            return "EXTENDED_HOURS_NOT_SUPPORTED"
        return ""

    def _cancel(self, cancels: Sequence[VenueCancel]) -> None:
        self._line()
        at = clock.now()
        ids = list(dict.fromkeys(cancel.order_id for cancel in cancels))
        orders, known_as, past = self._store.orders(ids), self._store.known_as(ids), self._past(ids)
        names = {}
        for order_id in ids:
            if order_id not in orders:
                self._inbox.own(self._local(ReportKind.CANCEL_REJECTED, order_id, "UNKNOWN_ORDER", at))
            elif canceled := ended_by_cancel(past.get(order_id, ())):
                self._inbox.repeat([canceled])
            else:
                names[order_id] = str(uuid7())
        asked = [Asked(name, order_id, IntentKind.CANCEL, {}) for order_id, name in names.items()]
        self._store_requests(asked, at)
        self._send(
            [
                messages.cancel_request(orders[order_id], name=name, known_as=known_as[order_id], at=at)
                for order_id, name in names.items()
            ]
        )

    def _replace(self, replaces: Sequence[VenueReplace]) -> None:
        self._line()
        at = clock.now()
        wanted = {asked.request_id: asked for asked in replaces}
        ids = [asked.order_id for asked in wanted.values()]
        orders, known_as, past = self._store.orders(ids), self._store.known_as(ids), self._past(ids)
        sent = []
        for request_id, asked in wanted.items():
            answers = [report for report in past.get(asked.order_id, ()) if report.request_id == request_id]
            if asked.order_id not in orders:
                self._inbox.own(
                    self._local(ReportKind.REPLACE_REJECTED, asked.order_id, "UNKNOWN_ORDER", at, request_id)
                )
            elif answers:
                self._inbox.repeat(answers)
            else:
                sent.append(asked)
        new = self._store_requests([replace_asked(asked) for asked in sent], at)
        self._send(
            [
                messages.replace_request(
                    orders[asked.order_id], asked, self._profile, known_as=known_as[asked.order_id], at=at,
                    is_possible_resend=str(asked.request_id) not in new,
                )
                for asked in sent
            ]
        )  # fmt: skip

    def _ask_status(self, order_ids: Collection[UUID]) -> Mapping[tuple[str, UUID], Future[Received]]:
        """Ask about every order that was ever sent; return the questions, each by its name and order."""
        self._line()
        ids = list(dict.fromkeys(order_ids))
        orders, known_as = self._store.orders(ids), self._store.known_as(ids)
        questions: dict[tuple[str, UUID], Future[Received]] = {(uuid7().hex, key): Future() for key in orders}
        self._inbox.questions.update({name: question for (name, _), question in questions.items()})
        self._send(
            [
                messages.status_request(orders[order_id], name=name, known_as=known_as[order_id])
                for name, order_id in questions
            ]
        )
        return questions

    def _all_known(self, order_ids: Sequence[UUID], answers: Mapping[UUID, Received]) -> list[VenueReport]:
        at = clock.now()
        ids = list(dict.fromkeys(order_ids))
        sent, past = self._store.orders(ids), self._past(ids)
        found: list[VenueReport] = []
        for order_id in ids:
            reports = past.get(order_id, [])
            if order_id not in sent and not reports:
                found.append(unknown_order(self._name, order_id, at))
            else:
                found += all_known(self._name, order_id, reports, answers.get(order_id), at)
        return found

    def _past(self, order_ids: Collection[UUID]) -> dict[UUID, list[VenueReport]]:
        """Return what was reported of orders before, of those it was."""
        past: dict[UUID, list[VenueReport]] = {}
        for report in self._store.reports_of(order_ids) if order_ids else ():
            past.setdefault(report.order_id, []).append(report)
        return past

    def _local(
        self, kind: ReportKind, order_id: UUID, why: str, at: datetime, request_id: UUID | None = None
    ) -> VenueReport:
        """Return what we know without the venue: that it cannot have, or take, an order."""
        key = uuid7() if kind is ReportKind.CANCEL_REJECTED else request_id or order_id
        return VenueReport(
            venue=self._name,
            kind=kind,
            order_id=order_id,
            exec_id=f"local:{key}",
            reason=why,
            request_id=request_id,
            executed_at=at,
        )
