"""Add shares to a running portal until it has so many instruments in dollars; print the symbols added as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import django

django.setup()

from audit.domain.types import Actor  # noqa: E402
from marketdata.selectors import instruments_all, instruments_by_symbol  # noqa: E402
from marketdata.services import instrument_add  # noqa: E402
from trading_portal.kernel import clock  # noqa: E402
from trading_portal.kernel.ids import uuid7  # noqa: E402

BY = Actor.system("bench")


def instruments(count: int) -> list[str]:
    """Add what is missing, and return the symbols of that."""
    missing = count - sum(each.currency == "USD" for each in instruments_all())
    like = instruments_by_symbol(["AAPL"])["AAPL"]
    return [
        instrument_add(facts=replace(like, id=uuid7(), symbol=f"BENCH{number:02}"), by=BY, at=clock.now()).symbol
        for number in range(missing)
    ]


sys.stdout.write(json.dumps(instruments(int(sys.argv[1]))))
