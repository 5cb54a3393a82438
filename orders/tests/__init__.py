import pytest

pytest.register_assert_rewrite(
    "orders.tests.broker_contract",
    "orders.tests.changes_contract",
    "orders.tests.groups",
    "orders.tests.line_contract",
    "orders.tests.queueing",
    "orders.tests.replacing",
    "orders.tests.venue_line",
)
