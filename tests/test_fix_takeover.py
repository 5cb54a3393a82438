"""FIX sessions that are opened by hand, with no acceptor running that would close what it does not serve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import ApiKey
from orders.domain.fix import MsgType, Tag
from orders.domain.reports import ReportKind
from orders.models import FixSession
from orders.selectors import orders_by_id
from orders.selectors.fix import fix_requests_open
from orders.services.fix_sessions import (
    fix_cancels_due,
    fix_session_close,
    fix_session_open,
    fix_session_save,
    fix_sessions_recover,
)
from orders.tests.desk import rows
from tests.fix import FixDesk
from trading_portal.kernel import clock

pytest.importorskip("quickfix")
from orders.gateways.fix.asking import Asking
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope

pytestmark = pytest.mark.django_db


def others(key: ApiKey) -> list[Any]:
    """Return the keys of the sessions that other tests left."""
    return [row[0] for row in rows("SELECT key_id FROM orders_fixsession WHERE key_id <> %s", key.id)]


def test_a_killed_acceptor_leaves_partners_the_time_to_come_back_before_their_orders_are_cancelled():
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    order_id = desk.working(api_key_pk=key.id)
    opened = {
        "key_pk": key.id, "account_id": desk.account, "address": "127.0.0.1", "cancels_on_disconnect": True,
        "tells_account": False,
    }  # fmt: skip
    at = clock.now()
    fix_session_open(**opened, at=at)
    wait = timedelta(seconds=10)
    fix_sessions_recover(live_keys=others(key), cancel_after=wait, at=at)
    session = fix_session_open(**opened, at=at)
    fix_cancels_due(at=at + 2 * wait)
    assert desk.status(order_id) == "new"
    fix_session_close(session=session, cancel_after=wait, at=at)
    fix_cancels_due(at=at + wait / 2)
    assert desk.status(order_id) == "new"
    fix_cancels_due(at=at + wait)
    assert desk.status(order_id) == "pending_cancel"
    assert FixSession.objects.get(id=session.id).cancel_due_at is None


def test_a_connection_whose_session_was_taken_over_stores_and_so_sends_nothing_more():
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    opened = {
        "key_pk": key.id, "account_id": desk.account, "address": "127.0.0.1", "cancels_on_disconnect": False,
        "tells_account": False, "at": clock.now(),
    }  # fmt: skip
    moved = {"next_target": 2, "cursor": 0, "answered": (), "is_reset": False, "at": clock.now()}
    first, second = fix_session_open(**opened), fix_session_open(**opened)
    assert not fix_session_save(session=first, next_sender=3, sent=[(2, "stale")], **moved)
    assert fix_session_save(session=second, next_sender=2, sent=[(1, "fresh")], **moved)
    assert rows("SELECT number, text FROM orders_fixmessage WHERE session_id = %s", second.id) == [(1, "fresh")]
    assert desk.session().next_sender == 2


def test_a_request_that_comes_a_second_time_after_its_answer_is_passed_over_and_its_id_is_still_taken():
    """A kill before its number was stored makes the partner send it again, and the log may have answered by then."""
    desk = FixDesk()
    key = ApiKey.objects.get(key_id=desk.caller.key_id)
    order_id, other_id = desk.working(api_key_pk=key.id), desk.working(api_key_pk=key.id)
    session = fix_session_open(
        key_pk=key.id, account_id=desk.account, address="127.0.0.1", cancels_on_disconnect=False, tells_account=False,
        at=clock.now(),
    )  # fmt: skip
    asking = Asking(Scope(session.id, desk.account, "", key.key_id, key.id, tells_account=False))
    found = orders_by_id([order_id, other_id])
    order, other = found[order_id], found[other_id]
    asked = {
        Tag.MSG_TYPE: MsgType.CANCEL, Tag.CL_ORD_ID: desk.name(), Tag.ORIG_CL_ORD_ID: order.client_order_id,
        Tag.SYMBOL: desk.symbol, Tag.SIDE: "1",
    }  # fmt: skip
    assert asking.ask(Inbound(3, MsgType.CANCEL, asked)).messages == []
    assert desk.status(order_id) == "pending_cancel"
    for_another = asking.ask(Inbound(4, MsgType.CANCEL, {**asked, Tag.ORIG_CL_ORD_ID: other.client_order_id}))
    assert [each.type for each in for_another.messages] == [MsgType.CANCEL_REJECT]
    assert desk.status(other_id) == "new"
    [request] = fix_requests_open(session.id)
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    assert fix_session_save(
        session=session, next_sender=2, next_target=3, cursor=0, sent=[(1, "canceled")], answered=[request.id],
        is_reset=False, at=clock.now(),
    )  # fmt: skip
    assert asking.ask(Inbound(3, MsgType.CANCEL, {**asked, Tag.POSS_DUP_FLAG: "Y"})).messages == []
    [refused] = asking.ask(Inbound(5, MsgType.CANCEL, asked)).messages
    assert (refused.type, dict(refused.fields)[Tag.CXL_REJ_REASON]) == (MsgType.CANCEL_REJECT, "6")
