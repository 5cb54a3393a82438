"""What the log says about accounts and keys."""

from __future__ import annotations

from typing import ClassVar

from audit.domain.types import EventPayload


class AccountOpened(EventPayload, frozen=True, kw_only=True):
    """A trading account was opened for its owner."""

    TYPE: ClassVar[str] = "account.opened"
    number: str
    name: str
    owner_id: str
    base_currency: str
    is_paper: bool
    may_short: bool = False


class AccountConfigured(EventPayload, frozen=True, kw_only=True):
    """What a trading account may do was changed."""

    TYPE: ClassVar[str] = "account.configured"
    may_short: bool


class ApiKeyCreated(EventPayload, frozen=True, kw_only=True):
    """An API key was made; its secret is nowhere in the log."""

    TYPE: ClassVar[str] = "api_key.created"
    key_id: str
    name: str
    scopes: tuple[str, ...]


class ApiKeyRevoked(EventPayload, frozen=True, kw_only=True):
    """An API key stopped working, at once and for good."""

    TYPE: ClassVar[str] = "api_key.revoked"
    key_id: str
