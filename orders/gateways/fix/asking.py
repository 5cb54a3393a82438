"""Cancel, replace and tell the status of orders, as partners ask for it; on a thread, for it reads and writes rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from audit.domain.types import Actor
from marketdata.selectors import instruments_by_symbol
from orders.domain.commands import ReplaceOrder
from orders.domain.facts import OrderFacts, ReplaceOutcome
from orders.domain.fix import CLIENT_ID_LIMIT, ExecType, MsgType, Tag
from orders.domain.reasons import reason_dict
from orders.domain.types import IntentKind
from orders.gateways.fix.answering import UNAVAILABLE, Done, account_faults, business_reject, exec_id_of
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope
from orders.gateways.fix.reading import replace_of, side_of, type_of
from orders.gateways.fix.telling import (
    Message,
    Names,
    cancel_refusal_message,
    reasons_text,
    refusal_message,
    status_message,
)
from orders.selectors.fix import FixRequestFacts, order_id_of_client_order_id, orders_open_ids_of_key
from orders.selectors.orders import orders_by_id
from orders.services import order_cancel, orders_cancel
from orders.services.fix_sessions import fix_request_note, fix_request_was_taken
from orders.services.replacing import orders_replace
from trading_portal.kernel import clock
from trading_portal.kernel.errors import PortalError, Reason, reason
from trading_portal.kernel.ids import uuid7

ALL_ORDERS, BY_SYMBOL = "7", "1"
CANCEL_CHUNK = 500
STATUS_LIMIT = 1_000
_NOT_FOUND: Final = reason("ORDER_NOT_FOUND")

Fields = Mapping[int, str]


class Asking:
    """Do what one key asks of orders that are there.

    Everything may be asked again: after a crash a partner's messages come a second time, and must change nothing.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._by = Actor.api_key(scope.key_id)
        self._ways: Mapping[str, Callable[[Inbound, datetime], Done]] = {
            MsgType.CANCEL: self._cancel,
            MsgType.REPLACE: self._replace,
            MsgType.STATUS_REQUEST: self._status,
            MsgType.MASS_CANCEL: self._mass_cancel,
            MsgType.MASS_STATUS_REQUEST: self._mass_status,
        }

    def knows(self, message: Inbound) -> bool:
        """Tell whether this message is one that is asked here."""
        return message.type in self._ways

    def ask(self, message: Inbound) -> Done:
        """Do what a message asks; what cannot be decided now may be asked again."""
        try:
            return self._ways[message.type](message, clock.now())
        except PortalError as error:
            return Done([business_reject(message, UNAVAILABLE, error.sentence)])

    def _cancel(self, message: Inbound, at: datetime) -> Done:
        order, faults = self._named(message)
        if order is None or faults:
            return self._not_taken(message, order, faults, at)
        request, done = self._noted(message, order, IntentKind.CANCEL, at)
        if done is not None:
            return done
        outcome = order_cancel(
            order_id=order.id,
            account_id=self._scope.account_id,
            by=self._by,
            correlation_id=request.correlation_id,
            at=at,
        )
        if outcome.status in ("canceled", "requested"):
            return Done()
        why = outcome.refusal or _NOT_FOUND
        return self._not_taken(message, outcome.order or order, [why], at, request)

    def _replace(self, message: Inbound, at: datetime) -> Done:
        order, faults = self._named(message)
        if order is not None:
            faults += _other_order(message.fields, order)
        asked = replace_of(message.fields)
        faults += asked if isinstance(asked, list) else []
        if order is None or faults or isinstance(asked, list):
            return self._not_taken(message, order, faults, at)
        request, done = self._noted(message, order, IntentKind.REPLACE, at)
        if done is not None:
            return done
        command = ReplaceOrder(
            order_id=order.id,
            account_id=self._scope.account_id,
            fields=asked,
            by=self._by,
            correlation_id=request.correlation_id,
            requested_at=at,
        )
        (outcome,) = orders_replace(commands=[command], at=at)
        return self._replace_answer(message, order, request, outcome, at)

    def _replace_answer(
        self, message: Inbound, order: OrderFacts, request: FixRequestFacts, outcome: ReplaceOutcome, at: datetime
    ) -> Done:
        """Answer a replace that was not taken; what risk refused is in the log, as is what the venue is asked."""
        if outcome.status in ("requested", "refused"):
            return Done()
        return self._not_taken(message, outcome.order or order, outcome.refusal or [_NOT_FOUND], at, request)

    def _named(self, message: Inbound) -> tuple[OrderFacts | None, list[Reason]]:
        """Return the order that a request is about, and why the request cannot be about it."""
        fields = message.fields
        faults = account_faults(self._scope, fields)
        if len(fields[Tag.CL_ORD_ID]) > CLIENT_ID_LIMIT:
            faults.append(reason("FIELD_TOO_LONG", field="ClOrdID (11)", limit=CLIENT_ID_LIMIT))
        order_id = order_id_of_client_order_id(self._scope.account_id, fields[Tag.ORIG_CL_ORD_ID])
        order = orders_by_id([order_id]).get(order_id) if order_id else None
        if order is None:
            return None, [*faults, _NOT_FOUND]
        if fields.get(Tag.ORDER_ID, str(order.id)) != str(order.id) or fields[Tag.SYMBOL] != order.symbol:
            faults.append(_NOT_FOUND)
        if side_of(fields) is not order.side:
            faults.append(reason("FIELD_NOT_SUPPORTED", field="Side (54)", value="other than the order's"))
        return order, faults

    def _noted(
        self, message: Inbound, order: OrderFacts, kind: IntentKind, at: datetime
    ) -> tuple[FixRequestFacts, Done | None]:
        """Note a request before it is done; return it, and what is done already where there is nothing more to do."""
        request, is_repeat = fix_request_note(
            session_id=self._scope.session_id,
            client_order_id=message.fields[Tag.CL_ORD_ID],
            original_id=message.fields[Tag.ORIG_CL_ORD_ID],
            order_id=order.id,
            kind=kind,
            at=at,
        )
        is_other = request.order_id != order.id or request.kind is not kind
        if is_repeat and not is_other and (fix_request_was_taken(request) or _was_told(message, request)):
            return request, Done()
        if is_other or request.is_answered:
            return request, self._not_taken(message, order, [_name_taken(message)], at)
        return request, None

    def _not_taken(
        self,
        message: Inbound,
        order: OrderFacts | None,
        reasons: Sequence[Reason],
        at: datetime,
        request: FixRequestFacts | None = None,
    ) -> Done:
        told = [reason_dict(why) for why in reasons]
        answer = cancel_refusal_message(message.fields, order, told, at=at)
        return Done([answer], {request.id} if request else set())

    def _status(self, message: Inbound, at: datetime) -> Done:
        fields = message.fields
        order_id = order_id_of_client_order_id(self._scope.account_id, fields[Tag.CL_ORD_ID])
        order = orders_by_id([order_id]).get(order_id) if order_id else None
        exec_id = exec_id_of(self._scope, message)
        if order is None:
            reasons = [reason_dict(_NOT_FOUND)]
            exec_type = ExecType.ORDER_STATUS
            return Done([refusal_message(fields, reasons, exec_id=exec_id, exec_type=exec_type, at=at)])
        echoes = [(tag, fields[tag]) for tag in (Tag.ORD_STATUS_REQ_ID,) if tag in fields]
        names = Names(fields[Tag.CL_ORD_ID])
        return Done([self._standing(order, names, exec_id, at, echoes)])

    def _mass_status(self, message: Inbound, at: datetime) -> Done:
        """Tell how each open order stands, or that there is none."""
        fields = message.fields
        order_ids, faults = self._scoped(fields, fields[Tag.MASS_STATUS_REQ_TYPE])
        asked = (Tag.MASS_STATUS_REQ_ID, fields[Tag.MASS_STATUS_REQ_ID])
        orders = list(orders_by_id(order_ids[:STATUS_LIMIT]).values())
        if faults or not orders:
            none = refusal_message(
                fields,
                [reason_dict(faults[0] if faults else _NOT_FOUND)],
                exec_id=exec_id_of(self._scope, message),
                exec_type=ExecType.ORDER_STATUS,
                at=at,
            )
            return Done([Message(none.type, [*none.fields, asked])])
        done = Done()
        for index, order in enumerate(orders, start=1):
            last = (Tag.LAST_RPT_REQUESTED, "Y" if index == len(orders) else "N")
            echoes = [asked, (Tag.TOT_NUM_REPORTS, str(len(orders))), last]
            exec_id = uuid5(exec_id_of(self._scope, message), str(index))
            done.messages.append(self._standing(order, Names(order.client_order_id), exec_id, at, echoes))
        return done

    def _standing(
        self, order: OrderFacts, names: Names, exec_id: UUID, at: datetime, echoes: Sequence[tuple[int, str]]
    ) -> Message:
        return status_message(order, names, self._scope.account_number, exec_id=exec_id, at=at, echoes=echoes)

    def _mass_cancel(self, message: Inbound, at: datetime) -> Done:
        fields = message.fields
        order_ids, faults = self._scoped(fields, fields[Tag.MASS_CANCEL_REQUEST_TYPE])
        count = 0
        for start in range(0, len(order_ids), CANCEL_CHUNK):
            outcomes = orders_cancel(
                order_ids=order_ids[start : start + CANCEL_CHUNK],
                account_id=self._scope.account_id,
                by=self._by,
                correlation_id=uuid7(),
                at=at,
            )
            count += sum(outcome.status in ("canceled", "requested") for outcome in outcomes)
        asked = fields[Tag.MASS_CANCEL_REQUEST_TYPE]
        answer: list[tuple[int, str]] = [
            (Tag.CL_ORD_ID, fields[Tag.CL_ORD_ID]),
            (Tag.ORDER_ID, str(exec_id_of(self._scope, message))),
            (Tag.MASS_CANCEL_REQUEST_TYPE, asked),
            (Tag.MASS_CANCEL_RESPONSE, "0" if faults else asked),
            (Tag.TOTAL_AFFECTED_ORDERS, str(count)),
        ]
        if faults:
            answer += [
                (Tag.MASS_CANCEL_REJECT_REASON, "1"),
                (Tag.TEXT, reasons_text([reason_dict(why) for why in faults])),
            ]
        return Done([Message(MsgType.MASS_CANCEL_REPORT, answer)])

    def _scoped(self, fields: Fields, kind: str) -> tuple[list[UUID], list[Reason]]:
        """Return the open orders that a request about many means: all that the session is told of, or one symbol's."""
        instrument_id = None
        if kind == BY_SYMBOL:
            symbol = fields.get(Tag.SYMBOL, "")
            instrument = instruments_by_symbol({symbol}).get(symbol)
            if instrument is None:
                return [], [reason("SYMBOL_UNKNOWN", symbol=symbol[:40])]
            instrument_id = instrument.id
        key_pk = None if self._scope.tells_account else self._scope.key_pk
        found = orders_open_ids_of_key(account_id=self._scope.account_id, key_pk=key_pk, instrument_id=instrument_id)
        return found, []


def _other_order(fields: Fields, order: OrderFacts) -> list[Reason]:
    """Return why a replace names another kind of order than the one there is."""
    if type_of(fields) is order.order_type:
        return []
    return [reason("FIELD_NOT_SUPPORTED", field="OrdType (40)", value="other than the order's")]


def _was_told(message: Inbound, request: FixRequestFacts) -> bool:
    """Tell whether a request that a crash made its sender send again (PossDupFlag 43) was acted on and answered.

    What became of it was then told from the log, before it came a second time.
    """
    return request.is_answered and message.fields.get(Tag.POSS_DUP_FLAG) == "Y"


def _name_taken(message: Inbound) -> Reason:
    return reason("CLIENT_ORDER_ID_TAKEN", client_order_id=message.fields[Tag.CL_ORD_ID])
