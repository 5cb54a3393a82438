"""The firm's limits as a new portal starts with them."""

from __future__ import annotations

from decimal import Decimal

FIRM_DEFAULTS = {
    "max_quantity": Decimal(10_000),
    "max_notional": Decimal(250_000),
    "price_collar": Decimal("0.10"),
    "max_position": Decimal(20_000),
    "short_value": Decimal(500_000),
    "concentration": Decimal("0.20"),
    "order_rate": Decimal(100),
    "duplicate_window": Decimal(10),
    "max_open_orders": Decimal(500),
    "stale_price": Decimal(5),
}
