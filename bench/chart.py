"""A run as a picture: horizontal bars, grouped by row, each group with a scale of its own. SVG without anything else.

It is read on a light and on a dark ground: the text follows the reader's scheme, and the colours stand out on both.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from bench.quantities import show
from bench.record import Row, Run
from bench.summary import Summary, cell

WIDTH = 860
LEFT, RIGHT = 220, 130
"""Room for the names on the left and for the figures on the right of the bars, in pixels."""
BAR, GAP, GROUP_GAP, TOP = 15, 4, 16, 72
PALETTE = "#8a8f98", "#b08d57", "#c9a227", "#3d8bfd", "#4caf7d", "#d9605a", "#a06cd5", "#2aa5a0", "#d97fb0"
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 } .row { font-weight: 600 } .small { font-size: 11px; fill: #656d76 }
  .spread { stroke: #24292f; stroke-width: 1.2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .spread { stroke: #e6edf3 }
  }
"""


@dataclass(frozen=True)
class Drawn:
    """One bar."""

    subject: str
    title: str
    summary: Summary


def svg(run: Run) -> str:
    """The picture."""
    colours = {one.key: PALETTE[at % len(PALETTE)] for at, one in enumerate(run.subjects)}
    parts: list[str] = []
    height = float(TOP)
    for row in run.rows:
        bars = _bars(run, row)
        if bars:
            parts += _group(row, bars, colours, height)
            height += 20 + len(bars) * (BAR + GAP) + GROUP_GAP
    what = (
        "The lossy laboratory: mean of the download" if run.kind == "wan" else "The clean benchmark: medians"
    )
    machine = f"{run.machine.cpu}, {run.machine.cores} cores, {run.place}"
    when = f"{run.date}, commit {run.commit}. Thin lines: lowest to highest."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f"aria-label={quoteattr(what)}>",
            f"<style>{STYLE}</style>",
            _text(12, 22, what, "title"),
            _text(12, 38, machine, "small"),
            _text(12, 53, when, "small"),
            *parts,
            "</svg>",
            "",
        ]
    )


def _bars(run: Run, row: Row) -> list[Drawn]:
    found = ((one, cell(run, row.key, one.key, row.measures[0])) for one in run.subjects)
    return [Drawn(one.key, one.title, summary) for one, summary in found if summary]


def _group(row: Row, bars: list[Drawn], colours: dict[str, str], top: float) -> list[str]:
    """A row: its title, and a bar for each subject."""
    measure = row.measures[0]
    highest = max(bar.summary.high for bar in bars) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / highest
    better = "" if measure.better == "more" else " (less is better)"
    parts = [_text(12, top + 12, row.title + better, "row")]
    for at, bar in enumerate(bars):
        y = top + 20 + at * (BAR + GAP)
        middle = y + BAR / 2
        width = max(bar.summary.median * scale, 0.5)
        parts += [
            _text(24, y + 12, bar.title),
            f'<rect x="{LEFT}" y="{y:g}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colours[bar.subject]}"/>',
        ]
        end = width
        if bar.summary.count > 1:
            low, end = bar.summary.low * scale, max(width, bar.summary.high * scale)
            parts.append(
                f'<line class="spread" x1="{LEFT + low:.1f}" x2="{LEFT + bar.summary.high * scale:.1f}" '
                f'y1="{middle:g}" y2="{middle:g}"/>'
            )
        parts.append(_text(LEFT + end + 6, y + 12, show(bar.summary.median, measure.unit)))
    return parts


def _text(x: float, y: float, words: str, kind: str | None = None) -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(words)}</text>'
