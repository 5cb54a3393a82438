"""What must hold of orders, told from every app's rows: reviewed read models, and nothing here writes."""

from orders.invariants.rows import INVARIANTS

__all__ = ["INVARIANTS"]
