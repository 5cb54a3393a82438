"""The unmodified alpaca-py SDK reads bars of shares and of crypto pairs."""

from datetime import UTC, datetime, timedelta

import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestBarRequest,
    StockBarsRequest,
    StockLatestBarRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from marketdata.domain.candles import CandleBuilder
from marketdata.services.candles import candles_store
from marketdata.tests.support import stored_instrument, trade
from trading_portal.kernel.ids import uuid7

OPEN = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def traded(count, **changes):
    """Trade once a minute, each time for one more and 7.5 units of it."""
    one = stored_instrument(**changes)
    builder = CandleBuilder()
    builder.add([trade(one.symbol, str(10 + n), "7.5", OPEN + n * MINUTE) for n in range(count)])
    candles_store(bars=builder.take(), ids={one.symbol: one.id})
    return one.symbol


def told(bars):
    return [(bar.symbol, bar.timestamp, bar.open, bar.high, bar.low, bar.close) for bar in bars]


def test_bars_of_shares_come_typed_in_pages_and_as_a_table(live, caller):
    client = StockHistoricalDataClient(caller.key_id, caller.secret, url_override=f"http://{live}")
    first, second = sorted(traded(count, asset_class="us_equity") for count in (3, 3))
    asked = {"symbol_or_symbols": [second, first], "start": OPEN, "timeframe": TimeFrame.Minute}
    found = client.get_stock_bars(StockBarsRequest(**asked, adjustment=Adjustment.RAW, feed=DataFeed.IEX))
    expected = {
        symbol: [(symbol, OPEN + n * MINUTE, *[float(10 + n)] * 4) for n in range(3)] for symbol in (first, second)
    }
    assert {symbol: told(bars) for symbol, bars in found.data.items()} == expected
    bar = found[first][0]
    assert (bar.volume, bar.trade_count, bar.vwap) == (7.5, 1, 10)
    assert found.df.loc[second]["close"].tolist() == [10, 11, 12]
    limited = client.get_stock_bars(StockBarsRequest(**asked, limit=4, sort=Sort.DESC))
    assert [bar.close for bars in limited.data.values() for bar in bars] == [12, 11, 10, 12]
    latest = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=[first, second]))
    assert {symbol: bar.timestamp for symbol, bar in latest.items()} == dict.fromkeys(expected, OPEN + 2 * MINUTE)
    raw = StockHistoricalDataClient(caller.key_id, caller.secret, raw_data=True, url_override=f"http://{live}")
    assert raw.get_stock_bars(StockBarsRequest(**asked))[first][2]["v"] == 7.5


def test_the_sdk_puts_more_than_one_page_together(live, caller, monkeypatch):
    client = StockHistoricalDataClient(caller.key_id, caller.secret, url_override=f"http://{live}")
    symbols = [traded(count, asset_class="us_equity") for count in (4, 1, 2)]
    read, pages = client.get, []

    def by_threes(path, data):
        pages.append(read(path, {**data, "limit": 3}))
        return pages[-1]

    monkeypatch.setattr(client, "get", by_threes)
    asked = StockBarsRequest(symbol_or_symbols=symbols, start=OPEN, timeframe=TimeFrame.Minute)
    found = client.get_stock_bars(asked)
    assert [sum(map(len, page["bars"].values())) for page in pages] == [3, 3, 1]
    assert [len({bar.timestamp for bar in found[symbol]}) for symbol in symbols] == [4, 1, 2]


def test_bars_of_pairs_come_in_every_timeframe_there_is_and_others_are_refused(live, caller):
    client = CryptoHistoricalDataClient(caller.key_id, caller.secret, url_override=f"http://{live}")
    symbol = traded(7, symbol=f"P{uuid7().hex[8:20].upper()}/USD")
    asked = {"symbol_or_symbols": symbol, "start": datetime(2026, 3, 4), "end": OPEN + 5 * MINUTE}  # noqa: DTZ001
    for timeframe, volumes in (
        (TimeFrame.Minute, [7.5] * 6),
        (TimeFrame(5, TimeFrameUnit.Minute), [37.5, 15]),
        (TimeFrame.Hour, [52.5]),
        (TimeFrame.Day, [52.5]),
    ):
        found = client.get_crypto_bars(CryptoBarsRequest(**asked, timeframe=timeframe))
        assert [bar.volume for bar in found[symbol]] == volumes
    latest = client.get_crypto_latest_bar(CryptoLatestBarRequest(symbol_or_symbols=symbol))
    assert told(latest.values()) == [(symbol, OPEN + 6 * MINUTE, 16, 16, 16, 16)]
    with pytest.raises(APIError, match="1Min, 5Min, 1Hour, 1Day") as refused:
        client.get_crypto_bars(CryptoBarsRequest(**asked, timeframe=TimeFrame.Week))
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)
