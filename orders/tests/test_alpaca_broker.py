"""The Alpaca adapter keeps the contract of every adapter, and stays right when the venue or the line misbehaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orders.tests.alpaca_venue import AlpacaScript
from orders.tests.broker_contract import BrokerContract

pytestmark = pytest.mark.django_db


class TestAlpacaContract(BrokerContract):
    @pytest.fixture
    def driver(self) -> Iterator[AlpacaScript]:
        script = AlpacaScript()
        yield script
        script.close()
