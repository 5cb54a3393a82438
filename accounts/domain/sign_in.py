"""How often somebody may try to sign in, and what a person may choose about the pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from zoneinfo import available_timezones

from accounts.domain.rates import RateRequest

WINDOW_SECONDS = 900
TRIES_OF_ONE = 5
TRIES_AT_A_NAME = 50
TRIES_FROM_AN_ADDRESS = 100

CHOICES: Mapping[str, Collection[str]] = {
    "time_zone": available_timezones(),
    "theme": ("auto", "dark", "light"),
    "direction": ("default", "safest"),
    "density": ("compact", "comfortable"),
}


def own_key(username: str, address: str) -> str:
    """Name the budget of one name tried from one address: a stranger elsewhere cannot lock its owner out with it."""
    return f"sign-in:{_digest(username.casefold(), address)}"


def sign_in_requests(username: str, address: str) -> list[RateRequest]:
    """Return what one try takes: of the name from this address, of the name, and of the address."""
    return [
        RateRequest(own_key(username, address), TRIES_OF_ONE),
        RateRequest(f"sign-in-name:{_digest(username.casefold())}", TRIES_AT_A_NAME),
        RateRequest(f"sign-in-from:{_digest(address)}", TRIES_FROM_AN_ADDRESS),
    ]


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]
