"""A live site, a market that is shown for as long as a module runs, and a caller of its own for each test."""

import pytest

from positions.tests.helpers import new_instrument
from risk.services import firm_defaults_ensure
from tests.live import relaying, trading
from tests.sdk.helpers import showing
from trading_portal.kernel import clock


@pytest.fixture(scope="module", autouse=True)
def _site(live):
    firm_defaults_ensure(at=clock.now())
    with relaying(), trading():
        yield


@pytest.fixture(scope="module")
def market():
    """Show something that trades round the clock."""
    with showing(new_instrument().symbol) as symbol:
        yield symbol


@pytest.fixture(scope="module")
def share():
    """Show something that trades in the sessions of a stock exchange."""
    with showing(new_instrument(calendar="XNYS").symbol) as symbol:
        yield symbol
