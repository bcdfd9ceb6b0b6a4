"""What comes out of a run: tables, a file, a chart, a comparison."""

import sys
from collections.abc import Iterable
from pathlib import Path

from bench import compare, table
from bench.chart import svg
from bench.record import Run, save


def show(run: Run, markdown: Path | None = None, old: Run | None = None, old_name: str = "") -> None:
    """Print the tables, and what has changed since an old run; write the Markdown."""
    _print(table.text(run))
    if markdown is not None:
        markdown.write_text("\n".join(table.markdown(run)) + "\n", encoding="utf-8")
    if old is not None:
        _print(["", *compare.text(old, run, old_name)])


def store(run: Run, path: Path) -> list[str]:
    """Write the run and its chart, and say where they are."""
    chart = path.with_suffix(".svg")
    save(run, path)
    chart.write_text(svg(run), encoding="utf-8")
    return ["", f"All values: {path}", f"Chart:      {chart}"]


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
