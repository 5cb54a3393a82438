"""Alpaca's REST API through its SDK: nothing is sent twice by itself, and every request has a time-out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from orders.brokers.alpaca.profile import AlpacaProfile
from orders.brokers.protocol import VenueGone
from trading_portal.kernel import clock

CONNECT_SECONDS = 3.05
BUSY_PAUSE = 1.0
_REFUSING = (400, 403, 404, 422)


class Refused(Exception):
    """Say that the venue understood a request and will not do it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


class Unsure(OSError):
    """Say that nobody knows what became of a request."""


class _Timed(HTTPAdapter):
    """Let no request wait for longer than this."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send a request with time-outs: the SDK gives none."""
        return super().send(request, *args, **{**options, "timeout": (CONNECT_SECONDS, self._seconds)})


class _Client(TradingClient):
    """The SDK's client without its own repeats, which would place an order again after a time-out of a gateway."""

    def __init__(self, profile: AlpacaProfile) -> None:
        super().__init__(profile.key_id, profile.secret_key, raw_data=True, url_override=profile.url)
        self._retry = 0
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Timed(profile.request_seconds))


class AlpacaRest:
    """Call from any thread; each has a connection of its own.

    Raise Refused for what the venue answered with a no, VenueGone where it does not know the key, and OSError where
    the outcome is in doubt. A request that the venue was too busy for was not taken: it is sent again until it is.
    """

    def __init__(self, profile: AlpacaProfile) -> None:
        self._profile = profile
        self._local = threading.local()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Wait no more for a venue that is busy."""
        self._stopping.set()

    def get(self, path: str, **query: Any) -> Any:
        """Read something."""
        return self._call(lambda client: client.get(path, query))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Make something."""
        return self._call(lambda client: client.post(path, body))

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something."""
        return self._call(lambda client: client.patch(path, body))

    def delete(self, path: str) -> Any:
        """Take something away."""
        return self._call(lambda client: client.delete(path))

    def _call(self, call: Callable[[TradingClient], Any]) -> Any:
        give_up_at = clock.monotonic() + self._profile.busy_seconds
        while True:
            try:
                return call(self._client())
            except APIError as error:
                if error.status_code != 429:
                    _translate(error)
                pause = _pause(error)
            if clock.monotonic() + pause > give_up_at or self._stopping.wait(pause):
                raise Unsure("The venue is too busy to take a request.")

    def _client(self) -> TradingClient:
        client: TradingClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = _Client(self._profile)
        return client


def _pause(error: APIError) -> float:
    """Return how long a busy venue asks us to wait."""
    asked = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return float(asked) if asked.replace(".", "", 1).isdigit() else BUSY_PAUSE


def _translate(error: APIError) -> NoReturn:
    """Raise what an error of the API means; only a no in its own words is one."""
    status = error.status_code or 0
    try:
        code, text = str(error.code), str(error.message)
    except (ValueError, KeyError, TypeError):
        raise Unsure(f"The venue answered {status}.") from error
    if status == 401 or code.startswith("401"):
        raise VenueGone(f"The venue does not accept our key: {text}") from error
    if status in _REFUSING:
        raise Refused(status, text) from error
    raise Unsure(f"The venue answered {status}: {text}") from error
