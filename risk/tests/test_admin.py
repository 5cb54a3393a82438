"""The risk desk through its pages: who may, what it does, and what the log says."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from accounts.selectors import account_by_id
from risk.models import Breach, ChangeRequest, KillSwitch, Limit, TradingState
from risk.services import change_approve, kill_switch_latch, limit_change
from risk.tests.helpers import (
    codes,
    decide,
    events,
    hold,
    limit_row,
    new_account,
    new_instrument,
    new_person,
    officer,
    order,
    place,
)
from trading_portal.kernel import clock

pytestmark = pytest.mark.usefixtures("firm_limits")
STYLE_OR_SCRIPT = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)[^>]*>\s*\S", re.IGNORECASE)


def signed_in(user_id) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(id=user_id))
    return client


@pytest.fixture
def desk(ann):
    return signed_in(ann.id)


@pytest.fixture
def other_desk(ben):
    return signed_in(ben.id)


def url(page, *arguments):
    return reverse(f"admin:risk_{page}", args=arguments)


def number_of(account_id):
    return account_by_id(account_id).number


def text_of(response) -> str:
    return response.content.decode()


def send(client, address, **fields):
    return client.post(address, fields, follow=True)


def test_a_limit_tightened_in_the_admin_refuses_the_next_order_and_the_reason_is_kept(desk, ann):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "100", account_id)
    page = url("limit_change", limit.id)
    assert "Scope" in text_of(desk.get(page))
    answer = send(desk, page, value="5", is_enforced="on", reason="Too fast", version="1")
    assert "holds from the next order on" in text_of(answer)
    assert codes(decide(order(account_id, stock, "6"))[0]) == {"QUANTITY_ABOVE_LIMIT"}
    assert events(f"limit:{limit.id}") == ["limit.set"]
    entry = LogEntry.objects.get(object_id=str(limit.id))
    assert (str(entry.user_id), entry.get_change_message()) == (ann.id, "applied: 100 → 5. Too fast")


def test_a_limit_loosened_in_the_admin_waits_and_a_second_officer_approves_it(desk, other_desk):
    account_id, stock = new_account(), new_instrument("100")
    limit = limit_row("max_quantity", "5", account_id)
    answer = send(desk, url("limit_change", limit.id), value="50", is_enforced="on", reason="More", version="1")
    assert "second person" in text_of(answer)
    change = ChangeRequest.objects.get(target_id=limit.id)
    assert not decide(order(account_id, stock, "6"))[0].approved
    shown = text_of(desk.get(url("changerequest_change", change.id)))
    assert "another person must approve" in shown
    assert "Approve" not in shown
    own = send(desk, url("changerequest_approve", change.id))
    assert "must be approved by a second person" in text_of(own)
    assert ChangeRequest.objects.get(id=change.id).state == "pending"
    page = text_of(other_desk.get(url("changerequest_approve", change.id)))
    assert "value 5" in page
    assert "value 50" in page
    assert "holds from now on" in text_of(send(other_desk, url("changerequest_approve", change.id)))
    assert decide(order(account_id, stock, "6"))[0].approved


def test_a_change_is_rejected_with_a_reason(desk, other_desk):
    limit = limit_row("max_quantity", "5", new_account())
    send(desk, url("limit_change", limit.id), value="50", is_enforced="on", reason="More", version="1")
    change = ChangeRequest.objects.get(target_id=limit.id)
    assert "This field is required" in text_of(send(other_desk, url("changerequest_reject", change.id), reason=""))
    send(other_desk, url("changerequest_reject", change.id), reason="No")
    row = ChangeRequest.objects.get(id=change.id)
    assert (row.state, row.decision_reason) == ("rejected", "No")


def test_a_stale_approval_says_so_and_changes_nothing(desk, other_desk, ann):
    limit = limit_row("max_quantity", "50", new_account())
    send(desk, url("limit_change", limit.id), value="90", is_enforced="on", reason="More", version="1")
    change = ChangeRequest.objects.get(target_id=limit.id)
    limit_change(limit_id=limit.id, value=limit.value / 2, is_enforced=True, reason="Less", by=ann, at=clock.now())
    assert "stale" in text_of(send(other_desk, url("changerequest_approve", change.id)))
    assert Limit.objects.get(id=limit.id).value == 25


def test_a_limit_that_moved_since_the_page_was_opened_is_not_overwritten(desk, ann):
    limit = limit_row("max_quantity", "50", new_account())
    limit_change(limit_id=limit.id, value=limit.value / 2, is_enforced=True, reason="Less", by=ann, at=clock.now())
    answer = send(desk, url("limit_change", limit.id), value="40", is_enforced="on", reason="x", version="1")
    assert "changed by somebody else" in text_of(answer)
    assert Limit.objects.get(id=limit.id).value == 25


@pytest.mark.parametrize("value", ["", "NaN", "-1", "1e3", "1_000", "１２", " ", "Infinity", "9" * 40])
def test_an_unusable_value_is_refused_by_the_form(desk, value):
    limit = limit_row("max_quantity", "50", new_account())
    answer = send(desk, url("limit_change", limit.id), value=value, is_enforced="on", reason="x", version="1")
    assert "errorlist" in text_of(answer)
    assert Limit.objects.get(id=limit.id).value == 50


def test_a_limit_of_an_account_is_added_by_its_number(desk):
    account_id = new_account()
    fields = {"rule": "max_notional", "account": number_of(account_id), "symbol": "", "value": "9", "is_enforced": "on"}
    assert "There is no account" in text_of(send(desk, url("limit_add"), **{**fields, "account": "X"}, reason="New"))
    assert "There is no instrument" in text_of(send(desk, url("limit_add"), **{**fields, "symbol": "X?"}, reason="New"))
    assert "holds from the next order on" in text_of(send(desk, url("limit_add"), **fields, reason="New"))
    assert Limit.objects.get(account_id=account_id).value == 9


def test_a_loosening_may_carry_its_end(desk, other_desk):
    limit = limit_row("max_quantity", "5", new_account())
    until = (clock.now() + timedelta(hours=2)).replace(second=0, microsecond=0)
    fields = {"value": "50", "is_enforced": "on", "reason": "Today only", "version": "1"}
    send(desk, url("limit_change", limit.id), **fields, reverts_at=f"{until:%Y-%m-%dT%H:%M}")
    change = ChangeRequest.objects.get(target_id=limit.id)
    assert change.reverts_at == until
    send(other_desk, url("changerequest_approve", change.id))
    assert f"until {until:%Y-%m-%d %H:%M}" in text_of(desk.get(url("limit_change", limit.id)))


def test_the_list_of_limits_shows_use_headroom_and_what_waits(desk):
    account_id, stock = new_account("10000"), new_instrument("100")
    limit = limit_row("max_position", "40", account_id)
    hold(account_id, stock, "30")
    send(desk, url("limit_change", limit.id), value="80", is_enforced="on", reason="More", version="1")
    shown = text_of(desk.get(url("limit_changelist"), {"q": number_of(account_id)}))
    assert '<meter min="0" max="100" low="80" high="99.9" optimum="0" value="75.0">' in shown
    assert f"75% · {number_of(account_id)} {stock.symbol}" in shown
    assert ">10<" in shown
    assert ">80<" in shown


def test_a_trading_state_is_set_and_its_relaxation_waits(desk, other_desk):
    account_id, stock = new_account(), new_instrument("100")
    fields = {"account": number_of(account_id), "symbol": "", "state": "HALTED", "reason": "Odd"}
    assert "Trading is HALTED" in text_of(send(desk, url("tradingstate_add"), **fields))
    assert codes(decide(order(account_id, stock))[0]) == {"TRADING_HALTED"}
    row = TradingState.objects.get(account_id=account_id)
    send(desk, url("tradingstate_change", row.id), state="ACTIVE", reason="Fine again")
    assert TradingState.objects.get(id=row.id).state == "HALTED"
    send(other_desk, url("changerequest_approve", ChangeRequest.objects.get(target_id=row.id).id))
    assert decide(order(account_id, stock))[0].approved


def test_the_kill_switch_page_shows_exactly_what_dies_then_latches_and_needs_two_to_release(desk, other_desk):
    account_id, stock = new_account(), new_instrument("100")
    mine = place(order(account_id, stock, "3"), order(account_id, stock, "4", "99"))
    theirs = place(order(new_account(), stock, "5"))
    number = number_of(account_id)
    shown = text_of(desk.get(url("killswitch_add"), {"preview": "yes", "account": number, "symbol": "", "venue": ""}))
    assert "<b>2</b> open orders" in shown
    assert all(str(each.order_id) in shown for each in mine)
    assert str(theirs[0].order_id) not in shown
    assert not KillSwitch.objects.filter(account_id=account_id).exists()
    fields = {"account": number, "symbol": "", "venue": "", "reason": "Runaway"}
    assert "errorlist" in text_of(send(desk, url("killswitch_add"), **fields))
    assert not KillSwitch.objects.filter(account_id=account_id).exists()
    assert "2 open orders are being cancelled" in text_of(send(desk, url("killswitch_add"), **fields, confirmed="on"))
    switch = KillSwitch.objects.get(account_id=account_id)
    assert (switch.orders_to_cancel, events(f"kill_switch:{switch.id}")) == (2, ["kill_switch.latched"])
    assert codes(decide(order(account_id, stock, "6"))[0]) == {"KILL_SWITCH_ON"}
    assert "cancelled 0 of 2, 2 still open" in text_of(desk.get(url("killswitch_change", switch.id)))
    assert "Kill switch on" in text_of(desk.get(reverse("admin:index")))
    send(desk, url("killswitch_change", switch.id), reason="Found it")
    change = ChangeRequest.objects.get(target_id=switch.id)
    assert "does not bring back" in text_of(other_desk.get(url("changerequest_approve", change.id)))
    send(other_desk, url("changerequest_approve", change.id))
    assert KillSwitch.objects.get(id=switch.id).released_at is not None
    assert decide(order(account_id, stock, "6"))[0].approved


def test_breaches_are_acknowledged_one_by_one_and_together(desk):
    account_id, stock = new_account("10"), new_instrument("100")
    place(order(account_id, stock), order(account_id, stock, "2"), order(account_id, stock, "3"))
    first, *rest = Breach.objects.filter(account_id=account_id, code="BUYING_POWER_EXCEEDED")
    assert "The order needs" in text_of(desk.get(url("breach_change", first.id)))
    send(desk, url("breach_change", first.id), reason="Known")
    assert Breach.objects.get(id=first.id).note == "Known"
    chosen = {"action": "acknowledge", "_selected_action": [str(row.id) for row in rest]}
    asked = text_of(send(desk, url("breach_changelist"), **chosen))
    assert "Acknowledge these breaches?" in asked
    assert Breach.objects.get(id=rest[0].id).acknowledged_at is None
    assert "Acknowledged 2" in text_of(
        send(desk, url("breach_changelist"), **chosen, confirm="yes", reason="All known")
    )
    assert {row.note for row in Breach.objects.filter(id__in=[row.id for row in rest])} == {"All known"}


def test_a_decision_explains_every_check_and_cannot_be_changed(desk):
    account_id, stock = new_account("10"), new_instrument("100")
    [decision] = place(order(account_id, stock, "2"))
    page = url("decision_change", decision.order_id)
    shown = text_of(desk.get(page))
    assert "The order needs 200 USD; 10 are free." in shown
    assert "Order notional" in shown
    assert "firm, version" in shown
    listed = text_of(desk.get(url("decision_changelist"), {"q": str(decision.order_id)}))
    assert f"buy 2 {stock.symbol} at 100" in listed
    assert str(decision.order_id) in text_of(desk.get(url("decision_changelist"), {"q": number_of(account_id)}))
    assert desk.get(reverse("admin:risk_decision_add")).status_code == 403


def test_an_account_is_frozen_from_the_list(desk):
    account_id, stock = new_account(), new_instrument("100")
    listed = reverse("admin:accounts_tradingaccount_changelist")
    chosen = {"action": "freeze", "_selected_action": [str(account_id)]}
    assert "Freeze these accounts?" in text_of(send(desk, listed, **chosen))
    assert decide(order(account_id, stock))[0].approved
    assert "is frozen" in text_of(send(desk, listed, **chosen, confirm="yes", reason="Odd logins"))
    assert codes(decide(order(account_id, stock))[0]) == {"TRADING_HALTED"}
    hold(account_id, stock, "10")
    shown = text_of(desk.get(reverse("admin:accounts_tradingaccount_change", args=[account_id])))
    assert "HALTED" in shown
    assert "Concentration" in shown


def test_the_overview_shows_use_breaches_what_waits_and_the_feed(desk):
    account_id, stock = new_account("10000"), new_instrument("100")
    limit = limit_row("max_position", "10", account_id)
    hold(account_id, stock, "10")
    send(desk, url("limit_change", limit.id), value="80", is_enforced="on", reason="More", version="1")
    place(order(account_id, stock, "20001"))
    shown = text_of(desk.get(reverse("admin:index")))
    assert "100.0%" in shown
    assert number_of(account_id) in shown
    assert url("changerequest_change", ChangeRequest.objects.get(target_id=limit.id).id) in shown
    assert "QUANTITY_ABOVE_LIMIT" in shown
    assert "open instruments" in shown


def every_page(account_id, decision):
    firms = Limit.objects.filter(account=None, instrument=None).first()
    change = ChangeRequest.objects.filter(state="pending").first()
    return [
        reverse("admin:index"),
        reverse("admin:accounts_tradingaccount_changelist"),
        reverse("admin:accounts_tradingaccount_change", args=[account_id]),
        *(url(f"{name}_changelist") for name in PAGES),
        url("limit_add"),
        url("limit_change", firms.id),
        url("limit_history", firms.id),
        url("tradingstate_add"),
        url("killswitch_add"),
        url("killswitch_add") + "?preview=yes",
        url("decision_change", decision.order_id),
        url("breach_change", Breach.objects.filter(account_id=account_id).first().id),
        url("changerequest_change", change.id),
        url("changerequest_approve", change.id),
        url("changerequest_reject", change.id),
    ]


PAGES = ("limit", "changerequest", "tradingstate", "killswitch", "breach", "decision")


def test_every_page_answers_officers_alone_and_keeps_to_the_content_policy(desk):
    account_id, stock = new_account("10"), new_instrument("100")
    [decision] = place(order(account_id, stock))
    limit = limit_row("max_quantity", "5", account_id)
    send(desk, url("limit_change", limit.id), value="50", is_enforced="on", reason="More", version="1")
    outsider = signed_in(new_person())
    clerk = signed_in(new_person(is_staff=True))
    for page in every_page(account_id, decision):
        answer = desk.get(page)
        assert answer.status_code == 200, page
        assert not STYLE_OR_SCRIPT.search(text_of(answer)), (page, STYLE_OR_SCRIPT.search(text_of(answer)))
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert outsider.get(page).status_code == 302, page
        if page != reverse("admin:index"):
            assert clerk.get(page).status_code == 403, page
    # Staff without the desk's permissions see an overview without the desk.
    assert "Fullest limits" not in text_of(clerk.get(reverse("admin:index")))


def test_pages_that_do_something_do_nothing_on_a_get(desk, ann):
    account_id = new_account()
    limit = limit_row("max_quantity", "5", account_id)
    send(desk, url("limit_change", limit.id), value="50", is_enforced="on", reason="More", version="1")
    change = ChangeRequest.objects.get(target_id=limit.id)
    other = signed_in(officer().id)
    other.get(url("changerequest_approve", change.id), {"reason": "x", "_save": "Approve"})
    other.get(url("changerequest_reject", change.id), {"reason": "x"})
    scope = {"preview": "yes", "account": number_of(account_id), "reason": "x", "confirmed": "on"}
    other.get(url("killswitch_add"), scope)
    assert ChangeRequest.objects.get(id=change.id).state == "pending"
    assert not KillSwitch.objects.filter(account_id=account_id).exists()


def test_a_reader_of_limits_may_look_and_not_change(ann, ben):
    user = get_user_model().objects.get(id=new_person(is_staff=True))
    permissions = type(user)._meta.get_field("user_permissions").related_model.objects
    user.user_permissions.add(
        *permissions.filter(codename__in=["view_limit", "view_changerequest", "view_killswitch", "view_breach"])
    )
    reader = signed_in(user.id)
    account_id = new_account()
    limit = limit_row("max_quantity", "5", account_id)
    assert 'name="_save"' not in text_of(reader.get(url("limit_change", limit.id)))
    fields = {"value": "1", "is_enforced": "on", "reason": "x", "version": "1"}
    assert reader.post(url("limit_change", limit.id), fields).status_code == 403
    assert reader.post(url("limit_add"), fields).status_code == 403
    assert reader.post(url("killswitch_add"), {"reason": "x", "confirmed": "on"}).status_code == 403
    latched = kill_switch_latch(account_id=account_id, instrument_id=None, venue="", reason="x", by=ann, at=clock.now())
    assert reader.post(url("killswitch_change", latched.kill_switch_id), {"reason": "x"}).status_code == 403
    outcome = limit_change(
        limit_id=limit.id, value=limit.value * 2, is_enforced=True, reason="More", by=ann, at=clock.now()
    )
    assert reader.post(url("changerequest_approve", outcome.change_id)).status_code == 403
    assert Limit.objects.get(id=limit.id).value == 5
    assert change_approve(change_id=outcome.change_id, by=ben, at=clock.now()).state == "applied"


def test_a_post_without_the_forms_token_is_refused(ann):
    limit = limit_row("max_quantity", "50", new_account())
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.get(id=ann.id))
    answer = client.post(url("limit_change", limit.id), {"value": "1", "is_enforced": "on", "reason": "x"})
    assert answer.status_code == 403
    assert Limit.objects.get(id=limit.id).value == 50


def test_the_admin_lists_people_for_those_who_may_manage_them(desk):
    root = get_user_model().objects.get(id=new_person(is_staff=True))
    root.is_superuser = True
    root.save()
    client = signed_in(root.id)
    assert client.get(reverse("admin:accounts_user_changelist")).status_code == 200
    assert client.get(reverse("admin:accounts_user_change", args=[root.id])).status_code == 200
    assert desk.get(reverse("admin:accounts_user_changelist")).status_code == 403
