from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from orders import eventstream
from orders.api import account_stream
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from positions.tests.helpers import new_instrument
from risk.services import firm_defaults_ensure
from tests.grip import KEY, NEVER, Loss
from tests.live import SERVERS, relaying, serving
from tests.sdk.helpers import showing
from tests.seeded import seed
from tests.test_browser_socket import session_of
from trading_portal.kernel import clock
from trading_portal.running import pushpin as pushpins
from trading_portal.running import testing


@pytest.fixture(scope="module", params=SERVERS)
def live(request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve the site with each server in turn; give host:port."""
    with serving(request.param) as address:
        yield address


@pytest.fixture(scope="module", params=SERVERS)
def either_portal(request: pytest.FixtureRequest, portal: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the whole portal as each server serves it: daphne its own, and uvicorn in two processes on one port."""
    if request.param == "daphne":
        yield portal
        return
    with testing.web_processes(testing.web_environment(portal), server="uvicorn", count=2) as (_, address):
        yield {**portal, "url": f"http://{address}"}


@pytest.fixture(scope="module")
def market(django_db_setup: None) -> Iterator[str]:
    """Show something that trades round the clock, to be ordered under the firm's default limits; give its symbol."""
    firm_defaults_ensure(at=clock.now())
    with showing(new_instrument().symbol) as symbol:
        yield symbol


@pytest.fixture
def caller() -> Caller:
    """Give an account with a key that may trade."""
    return new_caller()


@pytest.fixture
def session() -> str:
    """Give the session of a person with an account."""
    return session_of(Desk().account)


@pytest.fixture(scope="module")
def seeded(django_db_setup):
    return seed()


@pytest.fixture(scope="module")
def pushpin():
    """Run a Pushpin in front of the site, with the relay behind it, as GRIP_URL sets them up."""
    if not pushpins.find():
        pytest.skip(pushpins.MISSING)
    changed = {"GRIP_RECHECK_SECONDS": NEVER, "GRIP_FORWARDED_FOR": True}
    with (
        serving("uvicorn") as origin,
        pushpins.running(origin, KEY) as proxy,
        override_settings(GRIP_URL=proxy.grip_url, **changed),
    ):
        yield proxy


@pytest.fixture(scope="module")
def relay(pushpin):
    with relaying():
        yield


@pytest.fixture
def unsettled(monkeypatch):
    """Leave out the look that is taken half a second after a hold."""
    monkeypatch.setattr(account_stream, "SETTLE_SECONDS", NEVER)


@pytest.fixture
def loss(monkeypatch):
    """Lose what the relay tells Pushpin, from the start."""
    loss = Loss()
    monkeypatch.setattr(eventstream, "events_publish", loss.publish)
    return loss
