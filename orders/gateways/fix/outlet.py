"""What goes out: stored with its numbers and with how far the log was told, in one transaction, and only then written.

Who is killed in between has said nothing: the partner's messages come again, the log is told again under the same
ExecIDs, and what was stored but not written is asked for by its numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from accounts.api.pool import in_pool
from orders.gateways.fix import wire
from orders.gateways.fix.engine import FixEngine, Outbound
from orders.gateways.fix.line import Line
from orders.selectors.fix import fix_messages_between
from orders.services.fix_sessions import OpenFixSession, fix_session_save
from trading_portal.kernel import clock
from trading_portal.kernel.failpoints import failpoint

RESENT = 1_000


class TakenOver(Exception):
    """Say that another connection has taken the session over: nothing more may be sent on this one."""


class Outlet:
    """Store and write what an engine sends; `is_reset` says that its numbers have begun again."""

    def __init__(self, line: Line, session: OpenFixSession) -> None:
        self._line = line
        self._session = session
        self._saved = (session.next_sender, session.next_target, session.cursor)
        self.is_reset = False

    async def flush(self, engine: FixEngine, cursor: int, answered: Collection[int]) -> None:
        """Store what is to be sent, and then write it; raise TakenOver when it may not be."""
        output = engine.take_output()
        moved = (engine.next_sender, engine.next_target, cursor)
        if moved != self._saved or answered or output:
            await self._save(moved, output, answered)
        failpoint("fix.before_writing")
        for each in output:
            if each.is_sent:
                await self._write(each.text)

    async def _save(self, moved: tuple[int, int, int], output: Sequence[Outbound], answered: Collection[int]) -> None:
        next_sender, next_target, cursor = moved
        is_saved = await in_pool(
            fix_session_save,
            session=self._session,
            next_sender=next_sender,
            next_target=next_target,
            cursor=cursor,
            sent=[(each.number, each.text) for each in output if each.is_kept],
            answered=answered,
            is_reset=self.is_reset,
            at=clock.now(),
        )
        if not is_saved:
            raise TakenOver("Another connection has taken the session over.")
        self._saved, self.is_reset = moved, False

    async def _write(self, text: str) -> None:
        """Write a message; in place of a gap what was sent in it, however long that is, a part at a time."""
        if wire.gap_range(text) is None:
            await self._line.write(text)
            return
        for part in wire.gap_parts(text, RESENT):
            stored = await in_pool(fix_messages_between, self._session.id, *(wire.gap_range(part) or (0, 0)))
            await self._line.write("".join(wire.gap_filled(part, stored, at=clock.now())))
