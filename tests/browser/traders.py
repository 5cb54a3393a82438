"""Open accounts for fresh traders in a running portal: each test has its own, and none sees another's orders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANAGE = Path(__file__).parent.parent.parent / "manage.py"

# Runs inside `manage.py shell` of the portal.
_SCRIPT = """
import json
from decimal import Decimal
from accounts.services import account_open, person_ensure
from audit.domain.types import Actor
from marketdata.services import watchlist_ensure
from positions.services import cash_post
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

by, at, made = Actor.system("browser tests"), clock.now(), []
for _ in range(COUNT):
    name = f"t{uuid7().hex[-12:]}"
    owner_id, password = person_ensure(
        username=name, email=f"{name}@example.com", first_name="Test", last_name="Trader", password="", groups=[],
        is_staff=False,
    )
    number = f"PT-{name[-9:].upper()}"
    account_id = account_open(
        owner_id=owner_id, number=number, name="Browser test", base_currency="USD", is_paper=True, by=by, at=at
    )
    cash_post(account_id=account_id, currency="USD", amount=Decimal(1_000_000), reason="deposit", by=by, at=at)
    watchlist_ensure(user_id=owner_id, name="Watchlist", symbols=("AAPL", "MSFT", "BTC/USD"))
    made.append({"username": name, "password": password, "number": number, "account_id": str(account_id)})
print("TRADERS" + json.dumps(made))
"""


@dataclass(frozen=True)
class Trader:
    """Somebody who can sign in, with one account and a million in it."""

    username: str
    password: str
    number: str
    account_id: str


def traders_open(portal: dict[str, Any], count: int) -> list[Trader]:
    """Open so many traders, in one go."""
    environment = {
        **os.environ,
        "DATABASE_URL": portal["database_url"],
        "REDIS_URL": portal["redis_url"],
        "PORTAL_SECRET_KEY": "only-to-load-settings",
    }
    command = [sys.executable, str(MANAGE), "shell", "-v", "0", "-c", _SCRIPT.replace("COUNT", str(count))]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False, timeout=120)
    found = [line for line in done.stdout.splitlines() if line.startswith("TRADERS")]
    assert found, done.stdout + done.stderr
    return [Trader(**one) for one in json.loads(found[0].removeprefix("TRADERS"))]
