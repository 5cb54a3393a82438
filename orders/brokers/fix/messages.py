"""Write the messages a venue is sent, and take apart those it sends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from orders.brokers.fix.profile import FixProfile
from orders.brokers.protocol import VenueOrder, VenueReplace
from orders.domain import fix
from orders.domain.fix import MsgType, Tag
from orders.domain.types import OrderType

Pairs = list[tuple[int, str]]


class Message(msgspec.Struct, frozen=True):
    """A message to be sent: its type, its fields, and groups of one entry under the field that counts them."""

    msg_type: MsgType
    fields: Sequence[tuple[int, str]]
    groups: Sequence[tuple[int, Pairs]] = ()
    is_possible_resend: bool = False


class Received(msgspec.Struct, frozen=True):
    """A message of a venue, taken apart; of a repeated field the first is in `fields` and each is in `pairs`."""

    fields: dict[int, str]
    pairs: Pairs
    text: str

    def get(self, tag: Tag) -> str:
        """Return a field's value, or nothing."""
        return self.fields.get(tag, "")

    @property
    def msg_type(self) -> str:
        """Return the type of the message."""
        return self.get(Tag.MSG_TYPE)

    @property
    def number(self) -> int:
        """Return its place in the session."""
        written = self.get(Tag.MSG_SEQ_NUM)
        return int(written) if written.isascii() and written.isdigit() else 0

    def each(self, tag: Tag) -> list[str]:
        """Return every value of a field that may come more than once."""
        return [value for number, value in self.pairs if number == tag]


def received(raw: str) -> Received:
    """Take a message apart; what no column can hold is made visible instead."""
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "\ufffd")
    pairs: Pairs = []
    for part in text.split(fix.SOH):
        tag, separator, value = part.partition("=")
        if separator and tag.isascii() and tag.isdigit():
            pairs.append((int(tag), value))
    return Received(dict(reversed(pairs)), pairs, text.replace(fix.SOH, "|"))


def new_order(order: VenueOrder, profile: FixProfile, *, at: datetime, is_possible_resend: bool = False) -> Message:
    """Return a NewOrderSingle (35=D); its ClOrdID is the order's id."""
    fields: Pairs = [(Tag.CL_ORD_ID, str(order.order_id))]
    if profile.account:
        fields.append((Tag.ACCOUNT, profile.account))
    if profile.destination:
        fields.append((Tag.EX_DESTINATION, profile.destination))
    fields += [(Tag.HANDL_INST, fix.AUTOMATED), *_identity(order, at), (Tag.ORDER_QTY, _number(order.quantity))]
    fields += _terms(order, order)
    if order.expires_at is not None and _has_end(order):
        fields.append((Tag.EXPIRE_TIME, fix.time_to_fix(order.expires_at)))
    groups: list[tuple[int, Pairs]] = [(Tag.NO_TRADING_SESSIONS, [(Tag.TRADING_SESSION_ID, profile.extended_session)])]
    return Message(MsgType.NEW_ORDER, fields, groups if order.extended_hours else (), is_possible_resend)


def cancel_request(order: VenueOrder, *, name: str, known_as: str, at: datetime) -> Message:
    """Return an OrderCancelRequest (35=F) of the order the venue last knew under a ClOrdID."""
    fields: Pairs = [(Tag.ORIG_CL_ORD_ID, known_as), (Tag.CL_ORD_ID, name), *_identity(order, at)]
    return Message(MsgType.CANCEL, [*fields, (Tag.ORDER_QTY, _number(order.quantity))])


def replace_request(
    order: VenueOrder, asked: VenueReplace, profile: FixProfile, *,
    known_as: str, at: datetime, is_possible_resend: bool = False,
) -> Message:  # fmt: skip
    """Return an OrderCancelReplaceRequest (35=G); its ClOrdID is the request's id."""
    fields: Pairs = [(Tag.ORIG_CL_ORD_ID, known_as), (Tag.CL_ORD_ID, str(asked.request_id))]
    if profile.account:
        fields.append((Tag.ACCOUNT, profile.account))
    fields += [(Tag.HANDL_INST, fix.AUTOMATED), *_identity(order, at), (Tag.ORDER_QTY, _number(asked.quantity))]
    fields += _terms(order, asked)
    if order.expires_at is not None and _has_end(order):
        fields.append((Tag.EXPIRE_TIME, fix.time_to_fix(order.expires_at)))
    return Message(MsgType.REPLACE, fields, (), is_possible_resend)


def status_request(order: VenueOrder, *, name: str, known_as: str) -> Message:
    """Return an OrderStatusRequest (35=H), to be answered under its own id (790)."""
    identity = [(tag, value) for tag, value in _identity(order, None) if tag != Tag.TRANSACT_TIME]
    return Message(MsgType.STATUS_REQUEST, [(Tag.CL_ORD_ID, known_as), (Tag.ORD_STATUS_REQ_ID, name), *identity])


def mass_status_request(name: str) -> Message:
    """Return an OrderMassStatusRequest (35=AF) for every order, to be answered under its own id (584)."""
    fields = [(Tag.MASS_STATUS_REQ_ID, name), (Tag.MASS_STATUS_REQ_TYPE, fix.ALL_ORDERS)]
    return Message(MsgType.MASS_STATUS_REQUEST, fields)


def _identity(order: VenueOrder, at: datetime | None) -> Pairs:
    fields: Pairs = [(Tag.SYMBOL, order.symbol), (Tag.SIDE, fix.SIDES[order.side])]
    return [*fields, (Tag.TRANSACT_TIME, fix.time_to_fix(at))] if at else fields


def _terms(order: VenueOrder, asked: VenueOrder | VenueReplace) -> Pairs:
    fields: Pairs = [(Tag.ORD_TYPE, fix.ORD_TYPES[order.order_type])]
    if asked.limit_price is not None:
        fields.append((Tag.PRICE, _number(asked.limit_price)))
    if asked.stop_price is not None:
        fields.append((Tag.STOP_PX, _number(asked.stop_price)))
    if order.order_type is OrderType.TRAILING_STOP:
        fields += _trail(asked)
    good_till = order.expires_at if _has_end(order) else None
    fields.append((Tag.TIME_IN_FORCE, fix.time_in_force_to_fix(asked.time_in_force, good_till=good_till)))
    return fields


def _has_end(order: VenueOrder) -> bool:
    return fix.time_in_force_to_fix(order.time_in_force, good_till=order.expires_at) == fix.GOOD_TILL_DATE


def _trail(asked: VenueOrder | VenueReplace) -> Pairs:
    """Return the distance of a trailing stop: an amount, or hundredths of a percent."""
    fields: Pairs = [(Tag.EXEC_INST, fix.TRAILING_STOP_PEG)]
    if asked.trail_price is not None:
        return [
            *fields,
            (Tag.PEG_OFFSET_VALUE, _number(asked.trail_price)),
            (Tag.PEG_OFFSET_TYPE, fix.PEG_OFFSET_PRICE),
        ]
    if asked.trail_percent is not None:
        points = asked.trail_percent * fix.BASIS_POINTS_PER_PERCENT
        return [*fields, (Tag.PEG_OFFSET_VALUE, _number(points)), (Tag.PEG_OFFSET_TYPE, fix.PEG_OFFSET_BASIS_POINTS)]
    return fields


_number = fix.decimal_to_fix
