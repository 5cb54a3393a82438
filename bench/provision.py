"""Make bench accounts, keys and limits in a running portal; print the keys as JSON."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

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


def hurry(number: str) -> None:
    """Let an account order as fast as the way to the browser is measured."""
    account = account_by_number(number)
    assert account, f"there is no account {number}"
    Limit.objects.update_or_create(
        rule="order_rate", account_id=account.id, defaults={"value": LIMITS["order_rate"], "changed_at": clock.now()}
    )


def main(count: int) -> list[tuple[str, str]]:
    """Return (key id, secret) of each of the bench's HTTP accounts; the floor's accounts have none."""
    hurry(TRADER)
    keys = []
    for number in range(count):
        at = clock.now()
        owner_id, _ = person_ensure(
            username=f"bench-{number}", email="", first_name="", last_name="", password="", groups=[], is_staff=False
        )
        account_open(
            owner_id=owner_id, number=f"BF-{number}", name="floor", base_currency="USD", is_paper=True, by=BY, at=at
        )
        account_id = account_open(
            owner_id=owner_id, number=f"BH-{number}", name="http", base_currency="USD", is_paper=True, by=BY, at=at
        )
        cash_post(account_id=account_id, currency="USD", amount=GENEROUS, reason="bench", by=BY, at=at)
        Limit.objects.bulk_create(
            Limit(rule=rule, account_id=account_id, value=value, changed_at=at) for rule, value in LIMITS.items()
        )
        key = api_key_create(
            user_id=owner_id, account_id=account_id, name="bench", scopes=["account:read", "trading"], by=BY, at=at
        )
        keys.append((key.key_id, key.secret))
    return keys


sys.stdout.write(json.dumps(main(int(sys.argv[1]))))
