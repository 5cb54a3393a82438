"""Draw a report: growths as lines over the size, everything else as bars beside their floor and aim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.report import Row

# A logarithmic axis from this ratio of largest to smallest on.
WIDE = 30


def draw(name: str, question: str, rows: Sequence[Row], path: Path) -> None:
    """Write a PNG with one panel for each unit, growths and plain figures apart."""
    panels: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        panels.setdefault((row.unit, row.along), []).append(row)
    heights = [max(2.0, 0.6 + 0.32 * len(shown)) if not along else 4.0 for (_, along), shown in panels.items()]
    figure = Figure(figsize=(9, sum(heights) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{name}: {question}", fontsize=10, wrap=True)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, ((unit, along), shown) in zip(axes, panels.items(), strict=True):
        if along:
            _growth(panel, shown, along)
            panel.set_ylabel(unit)
        else:
            _bars(panel, shown)
            panel.set_xlabel(unit)
    figure.savefig(path, dpi=110)


def _bars(panel: Axes, rows: Sequence[Row]) -> None:
    """Draw medians with their spread; a black mark for the floor, a dotted one for the aim."""
    for place, row in enumerate(rows):
        panel.barh(place, row.median, color="#4c78a8", height=0.6)
        panel.plot([min(row.values), max(row.values)], [place, place], color="#f58518", linewidth=2)
        for value, style in ((statistics.median(row.floor) if row.floor else None, "-"), (row.aim, ":")):
            if value is not None:
                panel.plot([value, value], [place - 0.4, place + 0.4], color="black", linestyle=style)
    panel.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    panel.invert_yaxis()
    medians = [row.median for row in rows if row.median > 0]
    if medians and max(medians) > WIDE * min(medians):
        panel.set_xscale("log")


def _growth(panel: Axes, rows: Sequence[Row], along: str) -> None:
    """Draw each name's medians over the size, with their spread."""
    named: dict[str, list[Row]] = {}
    for row in rows:
        named.setdefault(row.name, []).append(row)
    for name, points in named.items():
        points.sort(key=lambda row: row.at or 0)
        sizes = [row.at or 0 for row in points]
        medians = [row.median for row in points]
        below = [row.median - min(row.values) for row in points]
        above = [max(row.values) - row.median for row in points]
        panel.errorbar(sizes, medians, yerr=[below, above], marker="o", capsize=3, label=name)
    every = [row.at for row in rows if row.at]
    if every and max(every) > WIDE * min(every):
        panel.set_xscale("log")
    panel.set_ylim(bottom=0)
    panel.set_xlabel(along)
    panel.legend(fontsize=8)
