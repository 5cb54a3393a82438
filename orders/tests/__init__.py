import pytest

pytest.register_assert_rewrite("orders.tests.broker_contract", "orders.tests.venue_line")
