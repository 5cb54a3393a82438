"""Read the environment, typed, and fail loudly."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from trading_portal.kernel import money

VENUE = re.compile(r"[a-z][a-z0-9_]{0,19}")
TOKEN_LENGTH = 16
TOKEN = re.compile(rf"[!-~]{{{TOKEN_LENGTH},}}")
GRIP_PARAMETERS = frozenset(("key", "verify-iss"))
GRIP_KEY_BYTES = 32


def text(name: str, default: str | None = None) -> str:
    """Return a variable's text; raise ImproperlyConfigured when it is missing and has no default."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. `make run` sets it; a server of your own must name it.")
    return value


def token(name: str) -> str:
    """Return a secret that callers must bring, empty where there is none; it is never told what is wrong with it."""
    value = os.environ.get(name, "")
    if value and not TOKEN.fullmatch(value):
        raise ImproperlyConfigured(f"{name} must have {TOKEN_LENGTH} characters or more, of those that are printable.")
    return value


def choice(name: str, allowed: Sequence[str], default: str) -> str:
    """Return a variable that must be one of a few words."""
    value = os.environ.get(name) or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value


def integer(name: str, default: int, *, at_least: int = 0, at_most: int | None = None) -> int:
    """Return a variable that must be a whole number."""
    value = os.environ.get(name) or str(default)
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number.") from None
    if number < at_least:
        raise ImproperlyConfigured(f"{name} is {number}; it must be at least {at_least}.")
    if at_most is not None and number > at_most:
        raise ImproperlyConfigured(f"{name} is {number}; it must be at most {at_most}.")
    return number


def decimal(name: str, default: str, *, at_least: int = 0) -> Decimal:
    """Return a variable that must be a plain number."""
    written = os.environ.get(name) or default
    number = money.parse(written)
    if number is None or number < at_least:
        raise ImproperlyConfigured(f"{name} is {written!r}; it must be a plain number, at least {at_least}.")
    return number


def flag(name: str, default: bool) -> bool:
    """Return a variable that must say yes or no."""
    return choice(name, ("1", "0", "true", "false", "yes", "no"), "1" if default else "0") in ("1", "true", "yes")


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def venues(
    name: str, default: str, numbers: Mapping[str, tuple[str, int]], *, prefix: str = ""
) -> dict[str, dict[str, Decimal]]:
    """Return the venues that a variable names, each with its numbers: its own, else those for all, else as given."""
    prefix = prefix or name.removesuffix("VENUES")
    return {
        venue: {
            key: decimal(
                f"{prefix}{venue.upper()}_{key}", os.environ.get(f"{prefix}{key}") or number, at_least=at_least
            )
            for key, (number, at_least) in numbers.items()
        }
        for venue in _venue_names(name, default)
    }


def venue_texts(name: str, required: Sequence[str], optional: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the venues that a variable names, each with its own texts: PORTAL_ALPACA_<VENUE>_URL and the like."""
    prefix = name.removesuffix("VENUES")
    found: dict[str, dict[str, str]] = {}
    for venue in _venue_names(name, ""):
        given = {key: os.environ.get(f"{prefix}{venue.upper()}_{key}", "") for key in (*required, *optional)}
        for key in required:
            if not given[key]:
                raise ImproperlyConfigured(f"{name} names {venue}, and {prefix}{venue.upper()}_{key} is not set.")
        found[venue] = {key: value or optional.get(key, "") for key, value in given.items()}
    return found


def _venue_names(name: str, default: str) -> list[str]:
    found = words(name, default)
    for venue in found:
        if not VENUE.fullmatch(venue):
            raise ImproperlyConfigured(f"{name} names {venue!r}; a venue's name is a to z, 0 to 9 and _, at most 20.")
    return found


def database(name: str) -> dict[str, object]:
    """Return Django's connection settings from postgres://user:password@host:port/name."""
    url = urlsplit(text(name))
    if url.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(f"{name} must start with postgres://, not {url.scheme}://.")
    if not url.path.strip("/"):
        raise ImproperlyConfigured(f"{name} names no database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.strip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
    }


def grip(name: str) -> str:
    """Return the control address of a GRIP proxy, with the key that it signs with; empty where there is none.

    What is wrong is said without the value, which holds the key.
    """
    written = os.environ.get(name, "").strip()
    if not written:
        return ""
    url = urlsplit(written)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or not _has_port(url.netloc):
        raise ImproperlyConfigured(f"{name} must read http://host:port/?key=..., the address that Pushpin is told at.")
    # As the library reads it: a plus sign is one of base64's.
    given = parse_qs(url.query.replace("+", "%2B"), keep_blank_values=True)
    if unknown := given.keys() - GRIP_PARAMETERS:
        raise ImproperlyConfigured(f"{name} has {', '.join(sorted(unknown))}; it may have key and verify-iss.")
    if any(len(values) > 1 or not values[0] for values in given.values()):
        raise ImproperlyConfigured(f"{name} must give key and verify-iss once, and not empty.")
    if len(_grip_key(name, given.get("key", [""])[0])) < GRIP_KEY_BYTES:
        raise ImproperlyConfigured(
            f"{name} must give a key of at least {GRIP_KEY_BYTES} bytes, Pushpin's sig_key: "
            "with a key that can be guessed, or none, anybody could pass for Pushpin."
        )
    return written


def _has_port(address: str) -> bool:
    try:
        return urlsplit(f"//{address}").port != 0
    except ValueError:
        return False


def _grip_key(name: str, key: str) -> bytes:
    if not key.startswith("base64:"):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix("base64:"), validate=True)
    except binascii.Error:
        raise ImproperlyConfigured(f"{name}'s key begins with base64: and is not base64.") from None
