"""Add instruments, switch trading in them, keep watchlists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from audit.domain.types import Actor, NewEvent
from audit.services import events_append
from marketdata.domain.demo import DEMO_INSTRUMENTS
from marketdata.domain.events import InstrumentAdded, InstrumentSwitched
from marketdata.domain.types import InstrumentFacts
from marketdata.models import Instrument, Watchlist, WatchlistItem
from marketdata.selectors import instruments_by_symbol
from trading_portal.kernel.errors import InvalidInput, NotFound, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import plain

DEMO = Actor.system("demo")


def instrument_add(*, facts: InstrumentFacts, by: Actor, at: datetime) -> InstrumentFacts:
    """Add an instrument and say so in the log; raise InvalidInput when the symbol is taken."""
    with transaction.atomic():
        _, is_new = Instrument.objects.get_or_create(symbol=facts.symbol, defaults=asdict(facts))
        if not is_new:
            raise InvalidInput(reason("SYMBOL_TAKEN", symbol=facts.symbol), f"{facts.symbol} is already there.")
        added = InstrumentAdded(
            symbol=facts.symbol,
            name=facts.name,
            asset_class=facts.asset_class,
            currency=facts.currency,
            tick_size=plain(facts.tick_size),
            lot_size=plain(facts.lot_size),
            calendar=facts.calendar,
        )
        events_append(events=[_event(facts.id, added, by, at)], at=at)
    return facts


def instrument_switch(
    *,
    instrument_id: UUID,
    is_halted: bool | None = None,
    is_tradable: bool | None = None,
    is_shortable: bool | None = None,
    is_easy_to_borrow: bool | None = None,
    is_fractionable: bool | None = None,
    reason_given: str,
    by: Actor,
    at: datetime,
) -> None:
    """Halt or resume, allow or forbid what can be done with an instrument, from the next order on."""
    with transaction.atomic():
        instrument = Instrument.objects.select_for_update().filter(id=instrument_id).first()
        if instrument is None:
            raise NotFound(reason("INSTRUMENT_UNKNOWN", id=instrument_id), "There is no such instrument.")
        asked = {
            "is_halted": is_halted,
            "is_tradable": is_tradable,
            "is_shortable": is_shortable,
            "is_easy_to_borrow": is_easy_to_borrow,
            "is_fractionable": is_fractionable,
        }
        for name, flag in asked.items():
            if flag is not None:
                setattr(instrument, name, flag)
        instrument.save(update_fields=list(asked))
        flags = {name: getattr(instrument, name) for name in asked}
        switched = InstrumentSwitched(symbol=instrument.symbol, reason=reason_given, **flags)
        events_append(events=[_event(instrument_id, switched, by, at)], at=at)


def _event(instrument_id: UUID, payload: InstrumentAdded | InstrumentSwitched, by: Actor, at: datetime) -> NewEvent:
    return NewEvent(
        stream=f"instrument:{instrument_id}", payload=payload, actor=by, correlation_id=uuid7(), valid_at=at
    )


def demo_instruments_ensure(at: datetime) -> list[InstrumentFacts]:
    """Add the demo's instruments that are missing and return all of them; those that are there stay as they are."""
    there = instruments_by_symbol([demo.symbol for demo in DEMO_INSTRUMENTS])
    for demo in DEMO_INSTRUMENTS:
        if demo.symbol not in there:
            facts = InstrumentFacts(
                id=uuid7(),
                symbol=demo.symbol,
                name=demo.name,
                asset_class=demo.asset_class,
                exchange=demo.exchange,
                currency=demo.currency,
                tick_size=Decimal(demo.tick),
                lot_size=Decimal(demo.lot),
                calendar=demo.calendar,
                is_active=True,
                is_tradable=True,
                is_halted=False,
                is_shortable=demo.is_share,
                is_easy_to_borrow=demo.is_share,
                is_fractionable=demo.is_share or demo.lot < 1,
            )
            there[demo.symbol] = instrument_add(facts=facts, by=DEMO, at=at)
    return [there[demo.symbol] for demo in DEMO_INSTRUMENTS]


def watchlist_ensure(*, user_id: UUID, name: str, symbols: Sequence[str]) -> UUID:
    """Give a person a watchlist of this name; one that is there keeps its symbols."""
    with transaction.atomic():
        watchlist, is_new = Watchlist.objects.get_or_create(user_id=user_id, name=name)
        if is_new:
            known = instruments_by_symbol(symbols)
            WatchlistItem.objects.bulk_create(
                WatchlistItem(watchlist=watchlist, instrument_id=known[symbol].id, position=position)
                for position, symbol in enumerate(symbols)
                if symbol in known
            )
    return watchlist.id
