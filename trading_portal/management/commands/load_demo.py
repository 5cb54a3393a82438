"""Load demo people, accounts, instruments and a key, once."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from accounts.models import TradingAccount, User
from accounts.selectors import keys_verify
from accounts.services import account_open, api_key_create, api_key_revoke
from audit.domain.types import Actor
from marketdata.services import demo_instruments_ensure, watchlist_ensure
from positions.services import cash_post
from risk.services import firm_defaults_ensure
from trading_portal.kernel import clock
from trading_portal.kernel.money import parse

CASH = parse("1000000")
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
        users = {name: self._person(name, known) for name in PEOPLE}
        trader = self._account("trader", "PA-000001", "Tess's paper account")
        self._account("partner", "PA-000002", "Pat's paper account")
        for name in ("trader", "partner"):
            watchlist_ensure(user_id=User.objects.get(username=name).id, name="Watchlist", symbols=WATCHED)
        _write(path, {"users": users, "api": self._key(trader, known)})
        self.stdout.write("Demo people, accounts, instruments and prices are there.")

    @transaction.atomic
    def _person(self, name: str, known: dict[str, Any]) -> dict[str, str]:
        email, first, last = PEOPLE[name]
        user, _ = User.objects.get_or_create(
            username=name, defaults={"email": email, "first_name": first, "last_name": last}
        )
        password = known.get("users", {}).get(name, {}).get("password", "")
        if not password or not user.check_password(password):
            password = secrets.token_urlsafe(9)
            user.set_password(password)
        user.is_staff = name.startswith("risk")
        user.save()
        if user.is_staff:
            user.groups.add(Group.objects.get(name="Risk officers"))
        return {"username": name, "password": password}

    def _account(self, owner: str, number: str, name: str) -> TradingAccount:
        user = User.objects.get(username=owner)
        account = TradingAccount.objects.filter(number=number).first()
        if account is None:
            at = clock.now()
            with transaction.atomic():
                account = account_open(
                    owner=user, number=number, name=name, base_currency="USD", is_paper=True, by=LOADER, at=at
                )
                assert CASH is not None
                cash_post(account_id=account.id, currency="USD", amount=CASH, reason="demo deposit", by=LOADER, at=at)
        return account

    def _key(self, account: TradingAccount, known: dict[str, Any]) -> dict[str, str]:
        at = clock.now()
        api = known.get("api", {})
        pair = (api.get("key_id", ""), api.get("secret_key", ""))
        if pair[0] and keys_verify([pair], at)[0] is not None:
            return {"key_id": pair[0], "secret_key": pair[1]}
        for old in account.api_keys.filter(name="Demo key", revoked_at=None):
            api_key_revoke(key_id=old.key_id, by=LOADER, at=at)
        key = api_key_create(
            user=account.owner,
            account=account,
            name="Demo key",
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
