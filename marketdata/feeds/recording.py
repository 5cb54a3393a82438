"""Read recorded trades and quotes from CSV, plain or gzipped; name the line of every row that is none."""

from __future__ import annotations

import csv
import gzip
import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from marketdata.domain.types import FeedQuote, FeedTrade
from trading_portal.kernel import money
from trading_portal.kernel.errors import InvalidInput, Reason, reason

TRADE_COLUMNS = frozenset({"time", "price", "quantity"})
QUOTE_COLUMNS = frozenset({"time", "bid", "ask"})
REFUSED_KEPT = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[datetime, list[FeedTrade | FeedQuote]]
Parser = Callable[[dict[str, str | None]], Row]


class Recording:
    """A recorded file of one instrument, read row by row as often as wanted.

    Trades: time, price, quantity, and where there are any trade_id, side, bid, ask, bid_size, ask_size.
    Quotes, in a file of their own: time, bid, ask, bid_size, ask_size. Times are ISO 8601 with a zone, or milliseconds
    since 1970.
    """

    def __init__(self, symbol: str, trades: Path, quotes: Path | None = None) -> None:
        self.symbol = symbol
        self.refused: list[Reason] = []
        self.refused_count = 0
        self._trades = trades
        self._quotes = quotes
        self._open = ExitStack()
        _check(trades, TRADE_COLUMNS)
        if quotes is not None:
            _check(quotes, QUOTE_COLUMNS)

    def rows(self) -> Iterator[Row]:
        """Yield what happened, oldest first as the files have it.

        Refused rows are counted in `refused_count`; `refused` names the lines of the first thousand.
        """
        self.close()
        self.refused = []
        self.refused_count = 0
        trades = self._read(self._trades, self._trade)
        if self._quotes is None:
            return trades
        return heapq.merge(self._read(self._quotes, self._quote), trades, key=lambda row: row[0])

    def close(self) -> None:
        """Let go of the files."""
        self._open.close()
        self._open = ExitStack()

    def _read(self, path: Path, parse: Parser) -> Iterator[Row]:
        lines = csv.DictReader(self._open.enter_context(_opened(path)))
        while True:
            try:
                record = next(lines)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError, EOFError, OSError) as error:
                self._refuse(path, lines.line_num, "unreadable", str(error))
                if isinstance(error, EOFError | OSError):
                    return
                continue
            try:
                row = parse(record)
            except ValueError as error:
                self._refuse(path, lines.line_num, str(error), "")
                continue
            yield row

    def _refuse(self, path: Path, line: int, problem: str, detail: str) -> None:
        self.refused_count += 1
        if len(self.refused) >= REFUSED_KEPT:
            return
        self.refused.append(
            reason("RECORDING_ROW_REFUSED", file=path.name, line=line, problem=problem, detail=detail or None)
        )

    def _trade(self, record: dict[str, str | None]) -> Row:
        _check_fields(record)
        executed_at = _time(record)
        trade = FeedTrade(
            symbol=self.symbol,
            price=_positive(record, "price"),
            quantity=_positive(record, "quantity"),
            executed_at=executed_at,
            trade_id=record.get("trade_id") or "",
            side=record.get("side") or None,
        )
        if record.get("bid") and record.get("ask"):
            return executed_at, [self._quote_of(record, executed_at), trade]
        return executed_at, [trade]

    def _quote(self, record: dict[str, str | None]) -> Row:
        _check_fields(record)
        quoted_at = _time(record)
        return quoted_at, [self._quote_of(record, quoted_at)]

    def _quote_of(self, record: dict[str, str | None], quoted_at: datetime) -> FeedQuote:
        bid, ask = _positive(record, "bid"), _positive(record, "ask")
        if bid > ask:
            raise ValueError(f"bid {bid} is above ask {ask}")
        sizes = {name: _positive(record, name) if record.get(name) else Decimal(1) for name in ("bid_size", "ask_size")}
        return FeedQuote(
            symbol=self.symbol,
            bid=bid,
            ask=ask,
            bid_size=sizes["bid_size"],
            ask_size=sizes["ask_size"],
            quoted_at=quoted_at,
        )


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _check(path: Path, wanted: frozenset[str]) -> None:
    try:
        with _opened(path) as file:
            header = next(csv.reader(file), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        why = reason("RECORDING_UNREADABLE", file=str(path), error=str(error))
        raise InvalidInput(why, f"The recording {path} cannot be read: {error}.") from error
    missing = wanted - set(header)
    if missing:
        why = reason("RECORDING_HEADER_WRONG", file=str(path), missing=", ".join(sorted(missing)))
        sentence = f"The first line of {path} must name its columns; {', '.join(sorted(missing))} is missing from it."
        raise InvalidInput(why, sentence)


def _check_fields(record: Mapping[Any, object]) -> None:
    if None in record:
        raise ValueError("it has more fields than the header names")


def _time(record: dict[str, str | None]) -> datetime:
    text = record.get("time") or ""
    try:
        if text.isascii() and text.isdigit():
            return EPOCH + timedelta(milliseconds=int(text))
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"time {text!r} is no ISO 8601 time") from None
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} names no zone")
    return at.astimezone(UTC)


def _positive(record: dict[str, str | None], name: str) -> Decimal:
    text = record.get(name)
    value = money.parse(text or "")
    if value is None or value <= 0:
        raise ValueError(f"{name} {text!r} is no positive number")
    return value
