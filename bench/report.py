"""What every program of this folder hands in: rows of figures, told as a table, as JSON and as a picture.

    report = Report("single", "How many orders ...", server="uvicorn", settings={"rounds": 3})
    report.add("accepted", [3400.0, 3510.0, 3390.0], unit="orders/s", floor=[6900.0, 7100.0, 6800.0], aim=8000)
    report.add_latencies("answer", [[1.2, 1.4], [1.3], [1.2]], aim_p99=60)   # milliseconds, a list a round
    report.add_cpu([{"web": 150.0, "postgres": 210.0}], unit="µs/order")     # a dict a round
    report.add("lock and load", [81.0], unit="µs/order", at=1_000, along="orders stored")   # a point of a growth
    report.note("The load client took 0.3 of a core.")
    report.finish()                        # PORTAL_DATA_DIR/bench/single-uvicorn.{txt,json,png}

A row holds one value a round and, where there is one, the floor of the same rounds. Nothing here judges.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.load import percentile
from bench.machine import describe_machine
from trading_portal.running import layout


@dataclass(frozen=True)
class Row:
    """One figure: a value a round; the floor of the same rounds; the size it was measured at, if it is a growth."""

    name: str
    unit: str
    values: list[float]
    floor: list[float]
    aim: float | None
    at: float | None
    along: str

    @property
    def median(self) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """Return the median of each round's value over that round's floor."""
        pairs = [value / floor for value, floor in zip(self.values, self.floor, strict=False) if floor]
        return statistics.median(pairs) if pairs else None


@dataclass
class Report:
    """The figures of one program, in one run."""

    name: str
    question: str
    server: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=describe_machine)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        values: Sequence[float],
        *,
        unit: str,
        floor: Sequence[float] = (),
        aim: float | None = None,
        at: float | None = None,
        along: str = "",
    ) -> None:
        """Add a figure; `at` how much of `along` it was measured, for a growth; raise ValueError for no values."""
        if not values:
            raise ValueError(f"{self.name}: {name} has no values")
        if floor and len(floor) != len(values):
            raise ValueError(f"{self.name}: {name} has {len(values)} rounds, its floor {len(floor)}")
        self.rows.append(Row(name, unit, list(values), list(floor), aim, at, along))

    def add_latencies(
        self,
        name: str,
        rounds: Sequence[Sequence[float]],
        *,
        unit: str = "ms",
        floor: Sequence[Sequence[float]] = (),
        aim_p50: float | None = None,
        aim_p95: float | None = None,
        aim_p99: float | None = None,
        at: float | None = None,
        along: str = "",
    ) -> None:
        """Add p50, p95 and p99 of each round's samples; a round without samples is noted, not counted."""
        seen = [list(samples) for samples in rounds if samples]
        if len(seen) < len(rounds):
            self.note(f"{name}: {len(rounds) - len(seen)} of {len(rounds)} rounds saw none.")
        below = [list(samples) for samples in floor if samples]
        for percent, aim in ((50, aim_p50), (95, aim_p95), (99, aim_p99)):
            if seen:
                self.add(
                    f"{name} p{percent}",
                    [percentile(samples, percent) for samples in seen],
                    unit=unit,
                    floor=[percentile(samples, percent) for samples in below] if len(below) == len(seen) else (),
                    aim=aim,
                    at=at,
                    along=along,
                )

    def add_cpu(
        self,
        rounds: Sequence[Mapping[str, float]],
        *,
        unit: str,
        of: str = "",
        at: float | None = None,
        along: str = "",
    ) -> None:
        """Add what each process used, a mapping a round, and their sum; a process that used nothing is left out."""
        names = sorted({name for used in rounds for name in used})
        what = f", {of}" if of else ""
        for name in names:
            values = [used.get(name, 0.0) for used in rounds]
            if any(values):
                self.add(f"CPU {name}{what}", values, unit=unit, at=at, along=along)
        self.add(f"CPU in all{what}", [sum(used.values()) for used in rounds], unit=unit, at=at, along=along)

    def note(self, sentence: str) -> None:
        """Add a sentence that the figures need beside them; the same one stands once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def table(self) -> str:
        """Return the whole as text."""
        head = ("", "median", "min - max", "unit", "floor", "ratio", "aim")
        cells = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
        lines = ["  ".join(_aligned(line, widths)).rstrip() for line in cells]
        about = ", ".join(
            f"{name} {value}" for name, value in {"server": self.server, **self.settings}.items() if value
        )
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        return "\n".join([f"{self.name}: {self.question}", f"  {about}", *lines, *self.notes, f"  {machine}", ""])

    def finish(self, folder: Path | None = None) -> Path:
        """Print the table; write it, the JSON and the picture into the folder; return the JSON's path."""
        folder = folder or results_folder()
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.name}-{self.server}" if self.server else self.name
        (folder / f"{stem}.txt").write_text(self.table())
        path = folder / f"{stem}.json"
        told = [{**asdict(row), "median": row.median, "ratio": row.ratio} for row in self.rows]
        path.write_text(json.dumps({**asdict(self), "rows": told}, indent=1, ensure_ascii=False))
        print("\n" + self.table(), flush=True)
        # A development package: without it there are figures, but no picture.
        if importlib.util.find_spec("matplotlib") is None:
            print(f"Written to {path}; no picture, for matplotlib is not installed.", flush=True)
        else:
            importlib.import_module("bench.picture").draw(self.name, self.question, self.rows, folder / f"{stem}.png")
            print(f"Written to {path}, the picture beside it.", flush=True)
        return path


def results_folder() -> Path:
    """Return where results are kept: PORTAL_DATA_DIR/bench."""
    return layout.data_folder(os.environ).path / "bench"


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{_figure(min(row.values))} - {_figure(max(row.values))}" if len(row.values) > 1 else ""
    floor = _figure(statistics.median(row.floor)) if row.floor else ""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    size = "" if row.at is None else f" at {row.at:,.0f} {row.along}".rstrip()
    return (row.name + size, _figure(row.median), spread, row.unit, floor, ratio, _figure(row.aim))


def _figure(value: float | None) -> str:
    """Return a number with three or four significant digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return cells with names to the left and figures to the right."""
    return [
        text.ljust(width) if column in (0, 3) else text.rjust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
