import pytest

from tests.live import serving


@pytest.fixture(scope="session")
def live() -> object:
    """Serve the site for a session of tests; give host:port."""
    with serving() as address:
        yield address
