"""Check everything that must always hold: `manage.py check_invariants [I08 I10 ...] [--account ID]`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from orders.invariants import INVARIANTS as ORDERS
from positions.invariants import INVARIANTS as POSITIONS
from risk.invariants import INVARIANTS as RISK
from trading_portal.kernel.invariants import Invariant
from trading_portal.rebuilding.sharing import snapshot
from trading_portal.rebuilding.works import INVARIANT as REBUILT

INVARIANTS = tuple(sorted((*POSITIONS, *RISK, *ORDERS, REBUILT), key=lambda invariant: invariant.code))
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: nothing, when it holds."""

    invariant: Invariant
    hits: Sequence[tuple[Any, ...]]


def invariants_check(codes: Collection[str] = (), accounts: Collection[UUID] = ()) -> list[Finding]:
    """Return what every check found, all on one snapshot of the database; of some codes or accounts, where named."""
    with snapshot():
        wanted = [each for each in INVARIANTS if not codes or each.code in codes]
        return [
            Finding(each, [hit for hit in _hits(each, accounts) if not accounts or hit[0] in accounts])
            for each in wanted
        ]


def _hits(invariant: Invariant, accounts: Collection[UUID]) -> list[tuple[Any, ...]]:
    if invariant.program is not None:
        return list(invariant.program(accounts))
    with connection.cursor() as cursor:
        cursor.execute(invariant.sql)
        return list(cursor.fetchall())


class Command(BaseCommand):
    """Print one line for each invariant; fail when any is broken."""

    help = "Check everything that must always hold; exit non-zero when anything does not."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the codes to check; none means all."""
        parser.add_argument("codes", nargs="*", metavar="CODE", help="which to check, such as I08; all when left out")
        parser.add_argument("--account", action="append", type=UUID, default=[], help="show this account's hits only")

    def handle(self, *args: object, **options: Any) -> None:
        """Check, print, and fail on any hit."""
        codes = {str(code).upper() for code in options["codes"]}
        unknown = codes - {invariant.code for invariant in INVARIANTS}
        if unknown:
            raise CommandError(f"There is no invariant {', '.join(sorted(unknown))}.")
        findings = invariants_check(codes, options["account"])
        for finding in findings:
            self._print(finding)
        broken = sorted({finding.invariant.code for finding in findings if finding.hits})
        if broken:
            raise CommandError(f"Broken: {', '.join(broken)}.")

    def _print(self, finding: Finding) -> None:
        count = len(finding.hits)
        verdict = f"BROKEN, {count} {'place' if count == 1 else 'places'}" if count else "holds"
        self.stdout.write(f"{finding.invariant.code}  {verdict}: {finding.invariant.sentence}")
        for hit in finding.hits[:SHOWN]:
            self.stdout.write("     " + "  ".join("-" if value is None else str(value) for value in hit))
        if count > SHOWN:
            self.stdout.write(f"     and {count - SHOWN} more")
