"""Store candles, set-wise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import connection

from marketdata.domain.candles import CandleKey
from marketdata.domain.types import Bar

_UPSERT = """
INSERT INTO marketdata_candle AS candle (instrument_id, interval, opened_at, open, high, low, close, volume, notional,
                                         trade_count)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
                     %s::numeric[], %s::numeric[], %s::numeric[], %s::int[])
ON CONFLICT (instrument_id, interval, opened_at) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, notional = excluded.notional, trade_count = excluded.trade_count
"""
_LOAD = """
SELECT wanted.number, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close), trim_scale(volume),
       trim_scale(notional), trade_count
FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::timestamptz[]) AS wanted(number, instrument_id, interval, opened_at)
JOIN marketdata_candle AS candle USING (instrument_id, interval, opened_at)
"""
_WITHOUT = """
SELECT id FROM unnest(%s::uuid[]) AS instrument(id)
WHERE NOT EXISTS (SELECT FROM marketdata_candle WHERE instrument_id = instrument.id)
"""


def candles_store(*, bars: Mapping[CandleKey, Bar], ids: Mapping[str, UUID]) -> None:
    """Write candles as they now stand, in one statement; writing them again changes nothing."""
    if not bars:
        return
    ordered = sorted(bars.items(), key=lambda item: (item[0].symbol, item[0].interval, item[0].opened_at))
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            [
                [ids[key.symbol] for key, _ in ordered],
                [key.interval.value for key, _ in ordered],
                [key.opened_at for key, _ in ordered],
                [bar.open for _, bar in ordered],
                [bar.high for _, bar in ordered],
                [bar.low for _, bar in ordered],
                [bar.close for _, bar in ordered],
                [bar.volume for _, bar in ordered],
                [bar.notional for _, bar in ordered],
                [bar.trade_count for _, bar in ordered],
            ],
        )


def candles_load(*, keys: Collection[CandleKey], ids: Mapping[str, UUID]) -> dict[CandleKey, Bar]:
    """Return those of these candles that are stored; the times of their first and last trade are not."""
    wanted = list(keys)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _LOAD,
            [
                list(range(len(wanted))),
                [ids[key.symbol] for key in wanted],
                [key.interval.value for key in wanted],
                [key.opened_at for key in wanted],
            ],
        )
        return {
            wanted[row[0]]: Bar(
                open=row[1],
                high=row[2],
                low=row[3],
                close=row[4],
                volume=row[5],
                notional=row[6],
                trade_count=row[7],
                first_at=wanted[row[0]].opened_at,
                last_at=wanted[row[0]].opened_at,
            )
            for row in cursor.fetchall()
        }


def candles_forget(*, instrument_id: UUID) -> None:
    """Delete every candle of an instrument, before a recording is played into it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM marketdata_candle WHERE instrument_id = %s", [instrument_id])


def instruments_without_candles(*, instrument_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these instruments have no candle at all."""
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT, [list(instrument_ids)])
        return {row[0] for row in cursor.fetchall()}
