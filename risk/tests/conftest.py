"""The firm's limits, and two officers, for tests that ask for them."""

import pytest

from risk.tests.helpers import firm, officer


@pytest.fixture
def firm_limits():
    firm()


@pytest.fixture(scope="module")
def ann(django_db_setup):
    return officer()


@pytest.fixture(scope="module")
def ben(django_db_setup):
    return officer()
