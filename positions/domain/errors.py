"""What cannot be booked."""

from __future__ import annotations

from uuid import UUID

from trading_portal.kernel.errors import InvalidInput, reason


class Unbookable(InvalidInput):
    """Say that a fill does not fit the books: not a positive number, or larger than a column holds."""

    def __init__(self, execution_id: UUID, what: str) -> None:
        super().__init__(
            reason("FILL_UNBOOKABLE", execution_id=execution_id, what=what),
            f"The fill {execution_id} cannot be booked: {what}.",
        )
        self.execution_id = execution_id
