"""Read what an account has and is worth: its rows as long as they stand, prices anew for every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from accounts.api.errors import Problem, ProblemError
from accounts.api.reading import Answer, Asked, Kept
from accounts.api.renderers import encode
from positions.api.shapes import alpaca_position_json, trade_account_json
from positions.domain.days import day_of
from positions.domain.rates import Mark
from positions.domain.sheets import Sheet
from positions.selectors import marks_of, sheets_of

NO_POSITION = Problem(404, "position does not exist")
SHEETS = 1_000
Blocks = Callable[[Sequence[UUID]], set[UUID]]
Marks = Mapping[str, Mark]

# What the rows say is the same for every question about an account. Used by the gate's one thread, and there only.
_sheets: Kept[Sheet] = Kept(SHEETS)


class Write(Protocol):
    """Make an answer of what an account has, at these prices."""

    def __call__(self, asked: Asked, sheet: Sheet, marks: Marks, *, is_blocked: bool) -> Any:
        """Return what is to be encoded; raise ProblemError where there is nothing to tell."""


class Valued:
    """What hangs on an account's rows and on prices, and perhaps on whether trading is stopped.

    The rows are read when the account's log has grown or a day has begun; prices, and stops, for every batch.
    """

    is_of_version = False

    def __init__(self, write: Write, *, blocks: Blocks | None = None) -> None:
        self._write = write
        self._blocks = blocks
        self._answers: Kept[tuple[Any, Answer]] = Kept()

    def at_once(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        """Return every answer but those that are a refusal; prices are read once for all."""
        sheets = _sheets_for(asked)
        marks = marks_of(list(sheets.values()), asked[0].at)
        blocked = self._blocks(list(sheets)) if self._blocks else frozenset()
        return [self._answer(each, sheets[each.account.id], marks, each.account.id in blocked) for each in asked]

    def read(self, asked: Asked) -> Answer:
        """Read one answer by itself."""
        sheet = sheets_of([asked.account], asked.at)[asked.account.id]
        is_blocked = bool(self._blocks and self._blocks([asked.account.id]))
        return Answer.of(encode(self._write(asked, sheet, marks_of([sheet], asked.at), is_blocked=is_blocked)))

    def _answer(self, asked: Asked, sheet: Sheet, marks: Marks, is_blocked: bool) -> Answer | None:
        try:
            told = self._write(asked, sheet, marks, is_blocked=is_blocked)
        except ProblemError:
            return None
        key = asked.account.id, asked.target
        kept = self._answers.get(key, asked.sequence)
        if kept is not None and kept[0] == told:
            return kept[1]
        answer = Answer.of(encode(told))
        self._answers.put(key, asked.sequence, (told, answer), 4 * len(answer.body))
        return answer


def _sheets_for(asked: Sequence[Asked]) -> dict[UUID, Sheet]:
    wanted = {each.account.id: each for each in asked}
    kept = {key: _sheets.get(key, each.sequence) for key, each in wanted.items()}
    found = {key: sheet for key, sheet in kept.items() if sheet and sheet.day == day_of(wanted[key].at)}
    missing = [each.account for key, each in wanted.items() if key not in found]
    for key, sheet in sheets_of(missing, asked[0].at).items() if missing else ():
        _sheets.put(key, wanted[key].sequence, sheet, 1)
        found[key] = sheet
    return found


def positions_told(asked: Asked, sheet: Sheet, marks: Marks, *, is_blocked: bool) -> Any:
    """Return every open position, by symbol."""
    return [alpaca_position_json(position) for position in sheet.positions(marks)]


def position_told(asked: Asked, sheet: Sheet, marks: Marks, *, is_blocked: bool) -> Any:
    """Return one open position."""
    wanted = str(asked.given["symbol_or_id"]).upper()
    for position in sheet.positions(marks):
        symbol = str(position["symbol"])
        if wanted in (symbol, symbol.replace("/", ""), str(position["asset_id"]).upper()):
            return alpaca_position_json(position)
    raise ProblemError(NO_POSITION)


def account_told(asked: Asked, sheet: Sheet, marks: Marks, *, is_blocked: bool) -> Any:
    """Return the account's money."""
    return trade_account_json(asked.account, sheet.summary(marks), is_trading_blocked=is_blocked)


ACCOUNT, POSITIONS, POSITION = Valued(account_told), Valued(positions_told), Valued(position_told)
