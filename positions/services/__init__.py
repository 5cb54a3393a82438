"""Book money, fills and reservations."""

from positions.services.cash import cash_post
from positions.services.fills import FillRestatement, fills_apply, fills_restate
from positions.services.reservations import (
    reservations_change,
    reservations_open,
    reservations_release,
    reservations_reprice,
)

__all__ = [
    "FillRestatement",
    "cash_post",
    "fills_apply",
    "fills_restate",
    "reservations_change",
    "reservations_open",
    "reservations_release",
    "reservations_reprice",
]
