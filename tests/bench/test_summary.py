import pytest

from bench.summary import Summary, cell, ratio_to_base, ratios, summarize
from tests.bench import runs


def test_the_median_and_the_extremes() -> None:
    assert summarize([5.0, 1.0, 3.0]) == Summary(3.0, 1.0, 5.0, 3)
    assert summarize([1.0, 2.0]) == Summary(1.5, 1.0, 2.0, 2)
    assert summarize([7.0]) == Summary(7.0, 7.0, 7.0, 1)
    assert summarize([]) is None


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was half as fast in the second round, for both: the ratio does not notice.
    assert ratios({0: 20.0, 1: 10.0, 2: 22.0}, {0: 10.0, 1: 5.0, 2: 11.0}) == [2.0, 2.0, 2.0]


def test_rounds_that_one_of_the_two_lacks_do_not_count() -> None:
    assert ratios({0: 9.0, 1: 10.0}, {1: 5.0, 2: 1.0}) == [2.0]
    assert ratios({0: 9.0}, {1: 5.0}) == []
    assert ratios({0: 9.0}, {0: 0.0}) == []


def test_the_ratio_of_a_cell_is_the_median_of_the_ratios_not_the_ratio_of_medians() -> None:
    made = runs.run({("requests", "ginnel"): {"rate": [3, 9, 4]}, ("requests", "relay"): {"rate": [1, 9, 1]}})
    assert ratio_to_base(made, "requests", "ginnel", runs.RATE) == Summary(3.0, 1.0, 4.0, 3)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [((1, 2), (3, 4), True), ((3, 4), (1, 2), True), ((1, 3), (3, 4), False), ((1, 5), (2, 3), False)],
)
def test_spreads_are_apart_when_they_share_no_value(
    one: tuple[float, float], other: tuple[float, float], apart: bool
) -> None:
    assert Summary(0, *one, 2).apart(Summary(0, *other, 2)) is apart


def test_one_sample_decides_nothing() -> None:
    assert not Summary(1, 1, 1, 1).apart(Summary(5, 5, 6, 3))
    assert not Summary(5, 5, 6, 3).apart(Summary(1, 1, 1, 1))


def test_a_cell_leaves_out_what_failed() -> None:
    made = runs.run(
        {("requests", "ginnel"): {"rate": [10, 30, 20]}, ("requests", "relay"): {"rate": [5, 10, 5]}}
    )
    made.samples[1] = made.samples[1].model_copy(update={"error": "broken"})
    assert cell(made, "requests", "ginnel", runs.RATE) == Summary(15.0, 10.0, 20.0, 2)
    assert ratio_to_base(made, "requests", "ginnel", runs.RATE) == Summary(3.0, 2.0, 4.0, 2)
    assert ratio_to_base(made, "requests", "relay", runs.RATE) is None
    assert cell(made, "requests", "nobody", runs.RATE) is None
