"""A run as tables: plain text for a terminal, Markdown for a document."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from bench.quantities import show, show_range
from bench.record import Measure, Row, Run, SubjectInfo, WireCheck
from bench.summary import cell, ratio_to_base

NOTHING = "–"
MAX_ERROR = 160
"""Characters of an error in a table; the file has all of it."""
MIN_TITLE = 30
"""Characters of the first column at least, so that short tables stand below each other."""


@dataclass(frozen=True)
class Line:
    """A subject in a row."""

    title: str
    cells: tuple[str, ...]
    error: str | None = None


@dataclass(frozen=True)
class Block:
    """A row: its title, the titles of its columns, its lines."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def blocks(run: Run) -> list[Block]:
    """What there is to show, rows without a sample left out."""
    made = [_block(run, row) for row in run.rows]
    return [block for block in made if block.lines]


def text(run: Run) -> list[str]:
    """The lines of plain text."""
    lines = heading(run)
    for _, group in groupby(blocks(run), key=lambda block: block.columns):
        lines += _text_of(list(group))
    return [*lines, "", *footing(run)]


def markdown(run: Run) -> list[str]:
    """The lines of Markdown: a table for all rows that have the same columns."""
    lines = [f"{line}  " for line in heading(run)]
    for columns, group in groupby(blocks(run), key=lambda block: block.columns):
        lines += ["", _markdown_row(["work", "through", *columns]), "|---|---|" + "---:|" * len(columns)]
        for block in group:
            for number, line in enumerate(block.lines):
                title = block.title if number == 0 else ""
                cells = [line.error, *[""] * (len(columns) - 1)] if line.error else line.cells
                lines.append(_markdown_row([title, line.title, *cells]))
    return [*lines, "", *(f"{line}  " for line in footing(run))]


def heading(run: Run) -> list[str]:
    """What was measured, where and when."""
    machine = run.machine
    rounds, seconds = run.options.get("rounds"), run.options.get("seconds")
    what = "The lossy laboratory" if run.kind == "wan" else "The clean benchmark"
    lines = [
        f"{what}, {run.date}, commit {run.commit or 'unknown'}{'' if run.finished else ', NOT FINISHED'}",
        f"{machine.cpu}, {machine.cores} cores, {machine.kernel}, {run.place}; load average {run.load_average} before",
        f"{rounds} {'round' if rounds == 1 else 'rounds'} of {seconds} s each; medians; spread: lowest–highest"
        + (f"; × {run.base}: median of the ratios of each round" if _has_base(run) else ""),
    ]
    return lines + [_wire_line(check) for check in run.wires]


def footing(run: Run) -> list[str]:
    """Who took part and who did not, and what went wrong."""
    versions = dict.fromkeys(one.version for one in run.subjects if one.version and not one.missing)
    missing = [f"{one.title} ({one.missing})" for one in run.subjects if one.missing]
    lines = [f"Versions: {'; '.join(versions)}"] if versions else []
    lines += [f"Took no part: {'; '.join(missing)}"] if missing else []
    return lines + list(_troubles(run))


def _wire_line(check: WireCheck) -> str:
    """What a wire was asked to be and what it was found to be."""
    if check.error:
        return f"The wire of {check.asked}: not checked: {_cut(check.error)}"
    found = [
        "no echo" if check.rtt_seconds is None else show(check.rtt_seconds, "s"),
        "no loss known" if check.loss is None else f"{check.loss:.2%}",
        "no rate" if check.rate_bits is None else show(check.rate_bits, "bit/s"),
    ]
    return f"The wire of {check.asked}: found {', '.join(found)}"


def _has_base(run: Run) -> bool:
    return any(one.key == run.base and not one.missing for one in run.subjects)


def _block(run: Run, row: Row) -> Block:
    lines = [line for subject in run.subjects if (line := _line(run, row, subject))]
    columns = [title for measure in row.measures for title in _columns(run, row, measure)]
    # A column in which nobody has anything says nothing.
    used = [any(not line.error and line.cells[at] != NOTHING for line in lines) for at in range(len(columns))]
    return Block(
        row.title,
        tuple(title for title, keep in zip(columns, used, strict=True) if keep),
        tuple(
            Line(
                line.title,
                tuple(one for one, keep in zip(line.cells, used, strict=True) if keep)
                if not line.error
                else (),
                line.error,
            )
            for line in lines
        ),
    )


def _columns(run: Run, row: Row, measure: Measure) -> Iterator[str]:
    yield measure.title
    if measure is row.measures[0]:
        yield "spread"
    if measure.ratio:
        yield f"× {run.base}"


def _line(run: Run, row: Row, subject: SubjectInfo) -> Line | None:
    samples = run.of(row.key, subject.key)
    if not samples:
        return None
    if all(sample.error for sample in samples):
        return Line(subject.title, (), f"failed: {_cut(samples[-1].error or '')}")
    cells: list[str] = []
    for measure in row.measures:
        found = cell(run, row.key, subject.key, measure)
        cells.append(show(found.median, measure.unit) if found else NOTHING)
        if measure is row.measures[0]:
            spread = found and found.count > 1
            cells.append(show_range(found.low, found.high, measure.unit) if found and spread else NOTHING)
        if measure.ratio:
            ratio = ratio_to_base(run, row.key, subject.key, measure)
            cells.append(f"{ratio.median:.2f}" if ratio else NOTHING)
    return Line(subject.title, tuple(cells))


def _text_of(group: list[Block]) -> list[str]:
    """Blocks with the same columns, one below the other."""
    columns = group[0].columns
    titles = [block.title for block in group] + [f"  {line.title}" for block in group for line in block.lines]
    widths = [
        max([len(title), *(len(line.cells[at]) for block in group for line in block.lines if not line.error)])
        for at, title in enumerate(columns)
    ]
    first = max([MIN_TITLE, *map(len, titles)])
    lines: list[str] = []
    for block in group:
        lines += ["", _text_row(block.title, columns, first, widths)]
        for line in block.lines:
            if line.error:
                lines.append(f"{'  ' + line.title:<{first}}  {line.error}")
            else:
                lines.append(_text_row(f"  {line.title}", line.cells, first, widths))
    return lines


def _text_row(title: str, cells: tuple[str, ...], first: int, widths: list[int]) -> str:
    right = (f"{one:>{width}}" for one, width in zip(cells, widths, strict=True))
    return "  ".join([f"{title:<{first}}", *right]).rstrip()


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(one.replace("|", "\\|").replace("\n", " ") for one in cells) + " |"


def _troubles(run: Run) -> Iterator[str]:
    """What went wrong without costing the whole cell, and remarks, each once with how often it came."""
    titles = {row.key: row.title for row in run.rows} | {one.key: one.title for one in run.subjects}
    said: Counter[tuple[str, str, str]] = Counter()
    for sample in run.samples:
        good = any(not other.error for other in run.of(sample.row, sample.subject))
        if sample.error and good:
            said[(sample.row, sample.subject, f"failed: {_cut(sample.error)}")] += 1
        elif sample.note:
            said[(sample.row, sample.subject, sample.note)] += 1
    for (row, subject, words), count in said.items():
        times = f" ({count} times)" if count > 1 else ""
        yield f"{titles.get(subject, subject)}, {titles.get(row, row)}: {words}{times}"


def _cut(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= MAX_ERROR else line[: MAX_ERROR - 1] + "…"
