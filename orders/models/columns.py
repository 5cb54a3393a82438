"""Columns that many tables have."""

from __future__ import annotations

from enum import StrEnum

from django.db import models


def amount(**options: object) -> models.DecimalField:
    """Return a column for a quantity or a price: 18 digits before the point and 10 behind it."""
    return models.DecimalField(max_digits=28, decimal_places=10, **options)  # type: ignore[arg-type]


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Return an enumeration's words as a column's choices."""
    return [(word.value, word.value) for word in words]
