from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import SERVERS, serving
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
