from bench import table
from bench.record import Run, Sample, SubjectInfo, WireCheck
from tests.bench import runs

CELLS: dict[tuple[str, str], runs.Values] = {
    ("requests", "relay"): {"rate": [1000, 500, 1100], "cpu": [20e-6] * 3, "p99": [1e-3] * 3},
    ("requests", "ginnel"): {"rate": [2000, 1000, 2200], "cpu": [30e-6] * 3},
    ("bulk", "relay"): {"rate": [1e9]},
}


def made(**more: object) -> Run:
    return runs.run(CELLS, **more)


def test_the_table_has_medians_spreads_and_paired_ratios() -> None:
    lines = table.text(made())
    at = next(number for number, line in enumerate(lines) if line.startswith("requests & answers"))
    header, relay, ginnel = (line.split("  ") for line in lines[at : at + 3])
    assert [word.strip() for word in header if word.strip()] == [
        "requests & answers",
        *("rate", "spread", "× relay", "CPU, both ends", "× relay", "p99"),
    ]
    assert [word.strip() for word in relay if word.strip()] == [
        *("the relay", "1,000 /s", "500–1,100 /s", "–", "20.0 µs", "–", "1.00 ms")
    ]
    assert [word.strip() for word in ginnel if word.strip()] == [
        *("the ginnel", "2,000 /s", "1,000–2,200 /s", "2.00", "30.0 µs", "1.50", "–")
    ]


def test_columns_stand_below_each_other() -> None:
    lines = table.text(made())
    at = next(number for number, line in enumerate(lines) if line.startswith("requests & answers"))
    ends = [
        [len(line[: line.index(word) + len(word)]) for line in lines[at : at + 1]] for word in ("spread",)
    ]
    assert ends == [[len(lines[at + 1][: lines[at + 1].index("1,100 /s") + 8])]]


def test_the_heading_says_where_and_when() -> None:
    words = "\n".join(table.heading(made(finished=False)))
    for part in (
        "2026-01-02",
        "0123456789ab",
        "NOT FINISHED",
        "Abacus",
        "2 cores",
        "loopback",
        "3 rounds of 1.5 s each",
    ):
        assert part in words
    assert "NOT FINISHED" not in "\n".join(table.heading(made()))


def test_a_wire_is_shown_as_asked_and_as_found() -> None:
    wires = [
        WireCheck(row="a", asked="50 ms", rtt_seconds=0.0502, rate_bits=199e6, loss=0.0101),
        WireCheck(row="b", asked="60 ms", error="no TUN device"),
    ]
    words = table.heading(made(wires=wires))
    assert words[-2:] == [
        "The wire of 50 ms: found 50.2 ms, 1.01%, 199 Mbit/s",
        "The wire of 60 ms: not checked: no TUN device",
    ]


def test_what_failed_is_in_its_cell_and_the_rest_is_there() -> None:
    failed = Sample(row="bulk", subject="ginnel", round=0, error="did not start: " + "long words " * 30)
    run = made()
    run.samples.append(failed)
    line = next(line for line in table.text(run) if "failed" in line)
    assert line.startswith("  the ginnel")
    assert "failed: did not start" in line
    assert len(line) < 220
    assert "1.00 Gbit/s" in "\n".join(table.text(run))
    assert "| the ginnel | failed: did not start" in "\n".join(table.markdown(run))


def test_what_failed_once_is_told_below() -> None:
    run = made()
    run.samples[0] = run.samples[0].model_copy(update={"error": "hung", "values": {}})
    run.samples[1] = run.samples[1].model_copy(update={"note": "3 errors"})
    run.samples[2] = run.samples[2].model_copy(update={"note": "3 errors"})
    assert table.footing(run) == [
        "the relay, requests & answers: failed: hung",
        "the relay, requests & answers: 3 errors (2 times)",
    ]


def test_who_took_no_part_is_named() -> None:
    run = made()
    run.subjects += [SubjectInfo(key="ssh", title="ssh -D", missing="sshd not installed")]
    run.subjects[1] = SubjectInfo(key="ginnel", title="ginnel", version="ginnel 1.2")
    assert table.footing(run) == ["Versions: ginnel 1.2", "Took no part: ssh -D (sshd not installed)"]


def test_markdown_has_a_table_for_rows_with_the_same_columns() -> None:
    lines = table.markdown(made())
    tables = [line for line in lines if line.startswith("|---")]
    assert len(tables) == 2
    rows = [line for line in lines if line.startswith("| ")]
    assert all(line.replace("\\|", "").count("|") == 9 for line in rows[:3])
    assert rows[2].startswith("|  | the ginnel | 2,000 /s |")
    assert "bulk \\| down" in rows[-1], "a bar in a title does not end a cell"


def test_an_empty_run_has_no_row() -> None:
    empty = runs.run({})
    assert table.blocks(empty) == []
    assert table.text(empty)[0].startswith("The clean benchmark")


def test_ratios_are_left_out_without_the_base() -> None:
    alone = runs.run({("requests", "ginnel"): {"rate": [1.0, 2.0]}})
    assert table.blocks(alone)[0].columns == ("rate", "spread")
