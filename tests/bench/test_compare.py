import pytest

from bench import compare
from bench.record import RecordError, Run
from tests.bench import runs

OLD = runs.run(
    {
        ("requests", "ginnel"): {"rate": [100, 110, 105], "cpu": [10e-6, 11e-6, 12e-6], "p99": [1.0]},
        ("bulk", "gone"): {"rate": [1e9]},
    }
)
NEW = runs.run(
    {
        ("requests", "ginnel"): {"rate": [120, 130, 126], "cpu": [11e-6, 15e-6, 13e-6], "p99": [9.0]},
        ("bulk", "fresh"): {"rate": [2e9]},
    }
)


def verdicts(old: Run, new: Run) -> dict[tuple[str, str], str]:
    return {(one.subject, one.measure.key): one.verdict for one in compare.changes(old, new)}


def test_what_stands_out_of_both_spreads_is_marked() -> None:
    found = verdicts(OLD, NEW)
    assert found[("ginnel", "rate")] == "better"
    assert found[("ginnel", "cpu")] == "", "the spreads overlap"
    assert found[("ginnel", "p99")] == "", "one sample decides nothing"
    assert verdicts(NEW, OLD)[("ginnel", "rate")] == "worse"


def test_less_is_better_where_the_measure_says_so() -> None:
    slow = runs.run({("requests", "ginnel"): {"cpu": [3.0, 3.1]}})
    fast = runs.run({("requests", "ginnel"): {"cpu": [1.0, 1.1]}})
    assert verdicts(slow, fast) == {("ginnel", "cpu"): "better"}
    assert verdicts(fast, slow) == {("ginnel", "cpu"): "worse"}


def test_the_lines_say_old_new_and_by_how_much() -> None:
    lines = compare.text(OLD, NEW, "old.json")
    assert lines[0] == "Compared with old.json, 2026-01-02T03:04:05+00:00, commit 0123456789ab"
    rate = next(line for line in lines if "the ginnel" in line and " rate " in line)
    assert rate.split() == ["the", "ginnel", "rate", "105", "/s", "→", "126", "/s", "+20.0%", "better"]
    assert lines[-1] == "3 measures in both: 1 better and 0 worse beyond the spread of both runs"


def test_ratios_to_the_base_are_compared_too() -> None:
    # Everything is twice as slow; ginnel less than the relay.
    old = runs.run(
        {("requests", "ginnel"): {"rate": [100, 110]}, ("requests", "relay"): {"rate": [100, 110]}}
    )
    new = runs.run({("requests", "ginnel"): {"rate": [60, 66]}, ("requests", "relay"): {"rate": [50, 55]}})
    lines = [" ".join(line.split()) for line in compare.text(old, new, "old.json")]
    assert "the ginnel rate 105 /s → 63.0 /s -40.0% worse" in lines
    assert "the ginnel rate × relay 1.000 → 1.200 +20.0% better" in lines
    other = new.model_copy(update={"base": "direct"})
    assert not any("×" in line for line in compare.text(old, other, "old.json"))


def test_what_is_in_one_of_them_only_is_told() -> None:
    lines = "\n".join(" ".join(line.split()) for line in compare.text(OLD, NEW, "old.json"))
    assert "the gone rate 1.00 Gbit/s → nothing now" in lines
    assert "the fresh rate nothing → 2.00 Gbit/s" in lines


def test_a_row_that_the_new_one_does_not_know_is_shown() -> None:
    new = runs.run({("requests", "ginnel"): {"rate": [1]}}, rows=[runs.REQUESTS])
    assert "bulk | down" in compare.text(OLD, new, "old.json")


def test_another_machine_and_another_length_are_a_warning() -> None:
    machine = runs.MACHINE.model_copy(update={"cpu": "Slide rule"})
    other = runs.run({}, machine=machine, place="network namespaces", options={"seconds": 4}, finished=False)
    assert compare.warnings(OLD, other) == [
        "warning: machine.cpu: Abacus <2> & sons then, Slide rule now",
        "warning: place: loopback then, network namespaces now",
        "warning: seconds: 1.5 then, 4 now",
        "warning: finished: True then, False now",
    ]
    assert compare.warnings(OLD, NEW) == []


def test_a_run_is_compared_with_its_kind_only() -> None:
    compare.check_kinds(OLD, "clean")
    with pytest.raises(RecordError, match="kind clean says nothing about one of the kind wan"):
        compare.check_kinds(OLD, "wan")


def test_from_nothing_there_is_no_share() -> None:
    (change,) = compare.changes(
        runs.run({("bulk", "x"): {"rate": [0, 0]}}), runs.run({("bulk", "x"): {"rate": [5, 6]}})
    )
    assert change.share is None
    assert change.verdict == "better"
