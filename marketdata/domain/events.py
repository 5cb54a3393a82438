"""What the log says about instruments."""

from __future__ import annotations

from typing import ClassVar

from audit.domain.types import EventPayload


class InstrumentAdded(EventPayload, frozen=True, kw_only=True):
    """An instrument can be watched and, if tradable, traded."""

    TYPE: ClassVar[str] = "instrument.added"
    symbol: str
    name: str
    asset_class: str
    currency: str
    tick_size: str
    lot_size: str
    calendar: str


class InstrumentSwitched(EventPayload, frozen=True, kw_only=True):
    """Trading in an instrument was halted, resumed, allowed or forbidden."""

    TYPE: ClassVar[str] = "instrument.switched"
    symbol: str
    is_tradable: bool
    is_halted: bool
    is_shortable: bool = False
    is_easy_to_borrow: bool = False
    is_fractionable: bool = False
    reason: str
