"""Make bench accounts, keys and limits in a running portal; print the keys as JSON."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import django

django.setup()

from accounts.selectors import account_by_number  # noqa: E402
from accounts.services import account_open, api_key_create, person_ensure  # noqa: E402
from audit.domain.types import Actor  # noqa: E402
from positions.services import cash_post  # noqa: E402
from risk.models import Limit  # noqa: E402
from trading_portal.kernel import clock  # noqa: E402

BY = Actor.system("bench")
GENEROUS = Decimal(10) ** 9
TRADER = "PA-000001"
LIMITS = {
    "max_quantity": GENEROUS,
    "max_notional": GENEROUS,
    "max_position": GENEROUS,
    "order_rate": GENEROUS,
    "max_open_orders": GENEROUS,
    "concentration": Decimal(1),
}


def hurry() -> None:
    """Let the demo trader order as fast as the way to the browser is measured."""
    account = account_by_number(TRADER)
    assert account, f"there is no account {TRADER}"
    Limit.objects.update_or_create(
        rule="order_rate", account_id=account.id, defaults={"value": LIMITS["order_rate"], "changed_at": clock.now()}
    )


def _open(owner_id: UUID, number: str, name: str, at: datetime) -> UUID:
    return account_open(owner_id=owner_id, number=number, name=name, base_currency="USD", is_paper=True, by=BY, at=at)


def provision(count: int, *, mark: str = "") -> list[tuple[str, str]]:
    """Return (key id, secret) of each of the bench's HTTP accounts; the floor's accounts have none.

    The `mark` keeps names apart from those of an earlier call.
    """
    keys = []
    for number in range(count):
        at = clock.now()
        owner_id, _ = person_ensure(
            username=f"bench-{mark}{number}",
            email="",
            first_name="",
            last_name="",
            password="",
            groups=[],
            is_staff=False,
        )
        _open(owner_id, f"BF-{mark}{number}", "floor", at)
        account_id = _open(owner_id, f"BH-{mark}{number}", "http", at)
        cash_post(account_id=account_id, currency="USD", amount=GENEROUS, reason="bench", by=BY, at=at)
        Limit.objects.bulk_create(
            Limit(rule=rule, account_id=account_id, value=value, changed_at=at) for rule, value in LIMITS.items()
        )
        key = api_key_create(
            user_id=owner_id, account_id=account_id, name="bench", scopes=["account:read", "trading"], by=BY, at=at
        )
        keys.append((key.key_id, key.secret))
    return keys


if __name__ == "__main__":
    hurry()
    sys.stdout.write(json.dumps(provision(int(sys.argv[1]))))
