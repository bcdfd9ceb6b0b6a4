"""Probabilities are right where they can be known, and never too small."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from scripts.judge import chance
from scripts.judge.chance import FALSE_ALARM, Finding, Tally


@pytest.mark.parametrize(("total", "cells", "runs"), [(600, 256, 3000), (200, 16, 20_000), (3000, 256, 500)])
def test_chi_square_deviates_are_standard_normal(total: int, cells: int, runs: int) -> None:
    draw = random.Random(total)
    deviates = sorted(
        chance.chi_square(Counter(draw.choices(range(cells), k=total)).values(), total, cells)
        for _ in range(runs)
    )
    for share, wanted in ((0.5, 0.0), (0.84134, 1.0), (0.97725, 2.0), (0.99, 2.326)):
        assert deviates[int(share * runs)] == pytest.approx(wanted, abs=0.15)


def test_the_tail_is_that_of_the_normal_distribution() -> None:
    assert chance.upper_tail(7.0) == pytest.approx(math.log10(1.28e-12), abs=0.001)
    assert chance.upper_tail(29.999) == pytest.approx(chance.upper_tail(30.001), abs=0.06)
    assert chance.upper_tail(0.0) == 0.0
    assert 10 ** chance.upper_tail(4.0) > FALSE_ALARM


@pytest.mark.parametrize(
    ("count", "of", "share"), [(9, 50, 1 / 256), (50, 50, 0.5), (40, 50, 0.5), (3, 700, 1 / 256)]
)
def test_counts_are_bounded_and_not_by_much(count: int, of: int, share: float) -> None:
    exact = sum(math.comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(count, of + 1))
    bound = 10 ** chance.at_least(count, of, share)
    assert exact <= bound * 1.000001
    assert bound < exact * 50


def test_a_coin_has_two_sides() -> None:
    assert chance.either_side(0, 50) == chance.either_side(50, 50) == pytest.approx(math.log10(2 * 0.5**50))
    assert chance.either_side(25, 50) == 0.0


def test_rare_events_are_bounded() -> None:
    exact = 1 - sum(math.exp(-0.01) * 0.01**n / math.factorial(n) for n in range(3))
    assert exact <= 10 ** chance.events(3, 0.01) < exact * 10
    assert chance.events(1, 2.0) == 0.0


def test_every_test_takes_its_part_of_the_budget() -> None:
    tally = Tally()
    assert not tally.rare(-5.9)
    assert tally.rare(-7.0)
    finding = Finding("d", "s", "w", "", 0, "", -7.0)
    assert tally.keep([finding]) == [finding]
    assert not tally.rare(0.0, made=98)
    assert tally.tests == 100
    assert tally.keep([finding]) == []
    assert tally.keep([finding._replace(log10_p=-8.1)])


@pytest.mark.parametrize(
    ("log10_p", "words"), [(-12.0, "p 1e-12"), (-12.3, "p 5e-13"), (-4000.0, "p below 1e-300")]
)
def test_probabilities_are_written_for_people(log10_p: float, words: str) -> None:
    assert chance.probability(log10_p) == words
