"""Load demo people, accounts, instruments and a key, once."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from accounts.selectors import account_by_number, key_ids_named, keys_verify
from accounts.services import account_open, api_key_create, api_key_revoke, person_ensure
from audit.domain.types import Actor
from marketdata.services import demo_instruments_ensure, watchlist_ensure
from positions.services import cash_post
from risk.services import firm_defaults_ensure
from trading_portal.kernel import clock

CASH = Decimal(1_000_000)
KEY_NAME = "Demo key"
ACCOUNTS = {"trader": "PA-000001", "partner": "PA-000002"}
PEOPLE = {
    "trader": ("trader@example.com", "Tess", "Trader"),
    "risk": ("risk@example.com", "Rita", "Risk"),
    "risk2": ("risk2@example.com", "Ravi", "Risk"),
    "partner": ("partner@example.com", "Pat", "Partner"),
}
WATCHED = ("AAPL", "MSFT", "NVDA", "TSLA", "SPY", "BTC/USD", "ETH/USD", "SOL/USD")
LOADER = Actor.system("load_demo")


class Command(BaseCommand):
    """Load what a new portal shows; running it again keeps data and sign-ins."""

    help = "Load demo people, accounts, instruments and an API key; keeps what is there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where to keep the sign-ins."""
        parser.add_argument(
            "--json", dest="path", required=True, type=Path, help="file that keeps the sign-ins and the key"
        )

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        """Load, and write the sign-ins."""
        known = _read(path)
        at = clock.now()
        firm_defaults_ensure(at=at)
        demo_instruments_ensure(at=at)
        people = {name: _person(name, known) for name in PEOPLE}
        account_ids = {
            name: _account(people[name][0], number, f"{PEOPLE[name][1]}'s paper account", at)
            for name, number in ACCOUNTS.items()
        }
        for name in ACCOUNTS:
            watchlist_ensure(user_id=people[name][0], name="Watchlist", symbols=WATCHED)
        users = {name: {"username": name, "password": password} for name, (_, password) in people.items()}
        _write(path, {"users": users, "api": _key(people["trader"][0], account_ids["trader"], known, at)})
        self.stdout.write("Demo people, accounts, instruments and prices are there.")


def _person(name: str, known: dict[str, Any]) -> tuple[UUID, str]:
    email, first, last = PEOPLE[name]
    is_officer = name.startswith("risk")
    return person_ensure(
        username=name,
        email=email,
        first_name=first,
        last_name=last,
        password=known.get("users", {}).get(name, {}).get("password", ""),
        groups=["Risk officers"] if is_officer else [],
        is_staff=is_officer,
    )


def _account(owner_id: UUID, number: str, name: str, at: datetime) -> UUID:
    known = account_by_number(number)
    if known is not None:
        return known.id
    with transaction.atomic():
        account_id = account_open(
            owner_id=owner_id,
            number=number,
            name=name,
            base_currency="USD",
            is_paper=True,
            may_short=True,
            by=LOADER,
            at=at,
        )
        cash_post(account_id=account_id, currency="USD", amount=CASH, reason="demo deposit", by=LOADER, at=at)
    return account_id


def _key(user_id: UUID, account_id: UUID, known: dict[str, Any], at: datetime) -> dict[str, str]:
    pair = (known.get("api", {}).get("key_id", ""), known.get("api", {}).get("secret_key", ""))
    if keys_verify([pair], at)[0] is not None:
        return {"key_id": pair[0], "secret_key": pair[1]}
    for old in key_ids_named(account_id, KEY_NAME):
        api_key_revoke(key_id=old, by=LOADER, at=at)
    key = api_key_create(
        user_id=user_id,
        account_id=account_id,
        name=KEY_NAME,
        scopes=["account:read", "trading"],
        by=LOADER,
        at=at,
    )
    return {"key_id": key.key_id, "secret_key": key.secret}


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))
