"""Rebuild accounts from the event log: `manage.py rebuild [--account ID] [--as-of INSTANT | EVENT] [--check]`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.selectors import event_exists
from orders.domain.rebuilt import Unreplayable
from trading_portal.kernel import clock
from trading_portal.kernel.collector import collect_rarely
from trading_portal.rebuilding.works import Moment, accounts_told, tables_compared

SHOWN = 50


class Command(BaseCommand):
    """Print what accounts were as lines of JSON, or hold the tables against the log; the tables are never written."""

    help = "Rebuild orders, fills, reservations, holdings and cash from the event log, as of now or of a past moment."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which accounts, which moment, and what to do with them."""
        parser.add_argument("--account", action="append", type=UUID, default=[], help="this account only; may repeat")
        parser.add_argument(
            "--as-of",
            type=_moment,
            metavar="MOMENT",
            help="an instant such as 2026-11-20T15:00:00Z, or the id of an event; as of now when left out",
        )
        parser.add_argument(
            "--check", action="store_true", help="compare with the tables; exit non-zero on a difference"
        )
        parser.add_argument("--output", type=Path, help="write the lines here instead of printing them")
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many share a large log")

    def handle(self, *args: object, **options: Any) -> None:
        """Rebuild, and print or compare."""
        if options["processes"] < 1:
            raise CommandError("At least one process has to do it.")
        self._told_at = clock.monotonic()
        collect_rarely()
        moment = _chosen(options["account"], options["as_of"])
        if options["check"]:
            if options["as_of"] is not None:
                raise CommandError("The tables hold what is now: --check takes no --as-of.")
            self._check(moment, options["processes"])
            return
        try:
            self._tell(moment, options["processes"], options["output"])
        except Unreplayable as error:
            raise CommandError(f"The log cannot be followed: {error}.") from error

    def _check(self, moment: Moment, processes: int) -> None:
        found = 0
        for each in tables_compared(moment.account_ids, processes=processes, progress=self._progress):
            found += 1
            if found <= SHOWN:
                what = f"{each.column}: the log makes it {each.rebuilt}, the table has {each.stored}"
                whole = f"the log says {each.rebuilt}, the table says {each.stored or 'nothing of that'}"
                self.stdout.write(f"{each.account_id}  {each.kind} {each.key}  {what if each.column else whole}")
        if found > SHOWN:
            self.stdout.write(f"and {found - SHOWN} more")
        if found:
            raise CommandError(f"The tables are not what the log tells, in {found} places.")
        self.stdout.write("The tables are what the log tells.")

    def _tell(self, moment: Moment, processes: int, output: Path | None) -> None:
        lines = accounts_told(moment, processes=processes, progress=self._progress)
        if output is None:
            self._write(lines)
            return
        with output.open("wb") as file:
            for chunk in lines:
                file.write(chunk)

    def _write(self, lines: Iterable[bytes]) -> None:
        for chunk in lines:
            self.stdout.write(chunk.decode(), ending="")

    def _progress(self, done: int, total: int) -> None:
        """Say how far it has come, once a second, to whoever watches."""
        now = clock.monotonic()
        if now - self._told_at >= 1 and sys.stderr.isatty():
            self.stderr.write(f"{done:,} of {total:,} events")
            self._told_at = now


def _moment(text: str) -> datetime | UUID:
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is neither an instant nor the id of an event") from error
    if instant.tzinfo is None:
        raise ArgumentTypeError(f"{text} does not say its time zone; add Z for UTC")
    return instant


def _chosen(accounts: list[UUID], as_of: datetime | UUID | None) -> Moment:
    if isinstance(as_of, UUID):
        if not event_exists(as_of):
            raise CommandError(f"There is no event {as_of}.")
        return Moment(accounts, until_event=as_of)
    return Moment(accounts, until=as_of)
