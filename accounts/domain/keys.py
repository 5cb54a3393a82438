"""Hash the secrets of API keys, and say what a key may do and from where."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_network

from accounts.domain.types import KeyGrant
from trading_portal.kernel.errors import Reason, reason

SCOPE_READ = "account:read"
SCOPE_TRADE = "trading"


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret; it has 240 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()


def grant_refusal(grant: KeyGrant, *, scope: str, address: str) -> Reason | None:
    """Return why a verified key may not do this from there, or None when it may; who may trade may also read."""
    if scope not in grant.scopes and not (scope == SCOPE_READ and SCOPE_TRADE in grant.scopes):
        return reason("SCOPE_MISSING", scope=scope)
    if grant.networks and not _is_within(address, grant.networks):
        return reason("ADDRESS_NOT_ALLOWED", address=address)
    return None


def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        caller = ip_address(address)
    except ValueError:
        return False
    return any(caller in ip_network(network, strict=False) for network in networks)
