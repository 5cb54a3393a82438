"""Leave out what needs QuickFIX where there are no wheels of it for this Python; give API tests what they ask."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import count

import pytest

from orders.services.queue import PlacementQueue
from orders.tests.api import new_caller
from positions.tests.helpers import new_instrument, set_live
from risk.services import firm_defaults_ensure
from trading_portal.kernel import clock

collect_ignore_glob = [] if find_spec("quickfix") else ["test_fix_*.py"]
numbers = count(1)


@pytest.fixture(scope="module")
def instrument():
    firm_defaults_ensure(at=clock.now())
    return new_instrument()


@pytest.fixture
def live_price(instrument):
    set_live(instrument, "100", None)


@pytest.fixture
def caller():
    return new_caller()


@pytest.fixture(scope="module")
def refused_caller():
    """Return a caller of whom nothing is ever stored."""
    return new_caller()


@pytest.fixture(scope="module")
def shared_caller():
    """Return a caller for tests that do not mind what the others stored."""
    return new_caller()


@pytest.fixture
def order(instrument):
    def make(**changes):
        body = {
            "symbol": instrument.symbol,
            "qty": str(next(numbers)),
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "limit_price": "99.5",
            **changes,
        }
        return {name: value for name, value in body.items() if value is not ...}

    return make


@pytest.fixture
def queue():
    queue = PlacementQueue()
    yield queue
    assert queue.stop()
