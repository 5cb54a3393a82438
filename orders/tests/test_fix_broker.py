"""The FIX broker keeps the contract of every adapter, against a real QuickFIX acceptor on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orders.tests.broker_contract import BrokerContract
from orders.tests.fix_driver import FixScript, FixVenue

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def venue() -> Iterator[FixVenue]:
    made = FixVenue()
    yield made
    made.close()


@pytest.fixture
def script(venue: FixVenue, tmp_path: Path) -> FixScript:
    return FixScript(venue, tmp_path)


class TestFixContract(BrokerContract):
    @pytest.fixture
    def driver(self, script: FixScript) -> FixScript:
        return script
