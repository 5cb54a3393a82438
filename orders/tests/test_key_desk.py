"""A risk officer stops a program at the desk: its key is refused with the next request, and the log says by whom."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from orders.tests.api import Caller, assert_problem, new_caller
from positions.tests.helpers import rows
from risk.tests.helpers import new_person, officer

KEYS = "/admin/accounts/apikey/"


@pytest.fixture
def caller() -> Caller:
    return new_caller()


def signed_in(user_id) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(id=user_id))
    return client


def revoke(desk: Client, *callers: Caller):
    chosen = [rows("SELECT id FROM accounts_apikey WHERE key_id = %s", each.key_id)[0][0] for each in callers]
    return desk.post(KEYS, {"action": "revoke", "_selected_action": chosen}, follow=True)


def test_an_officer_revokes_a_key_and_it_is_refused_at_once(caller):
    by = officer()
    desk = signed_in(by.id)
    assert caller.get("/v2/account").status_code == 200
    assert "1 key was revoked." in revoke(desk, caller).text
    assert_problem(caller.get("/v2/account"), 401, 40110000)
    told = rows(
        "SELECT type, actor FROM audit_event WHERE account_id = %s ORDER BY account_sequence DESC LIMIT 1",
        caller.account_id,
    )
    assert told == [("api_key.revoked", str(by))]
    assert "0 keys were revoked." in revoke(desk, caller).text
    listed = {state: caller.key_id in desk.get(KEYS, {"state": state}).text for state in ("held", "revoked")}
    assert listed == {"held": False, "revoked": True}


def test_the_desk_shows_what_a_key_may_do_and_never_its_secret(caller):
    desk = signed_in(officer().id)
    [[key]] = rows("SELECT id FROM accounts_apikey WHERE key_id = %s", caller.key_id)
    for page in (desk.get(KEYS, {"q": caller.key_id}), desk.get(f"{KEYS}{key}/change/")):
        assert page.status_code == 200
        assert caller.key_id in page.text
        assert "secret" not in page.text.lower()
        assert 'name="_save"' not in page.text


def test_nobody_else_may_look_or_revoke(caller):
    stranger = signed_in(new_person(is_staff=True))
    assert stranger.get(KEYS).status_code == 403
    assert revoke(stranger, caller).status_code == 403
    assert caller.get("/v2/account").status_code == 200
