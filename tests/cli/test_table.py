"""Figures for people."""

import time

import pytest

from ginnel.cli._table import moment, rough_rate, rough_size, table


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    rows = [("name", "count", "note"), ("a", "1,000", ""), ("longer", "7", "x")]
    assert table(rows, right=(False, True, False)) == [
        "name    count  note",
        "a       1,000",
        "longer      7  x",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.977 KiB"),
        (1536, "1.5 KiB"),
        (107 * 2**20, "107 MiB"),
        (1023 * 2**20, "0.999 GiB"),
        (2**40, "1 TiB"),
        (5000 * 2**40, "5e+03 TiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert rough_size(size) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0 bit/s"),
        (800, "800 bit/s"),
        (999.7, "1 kbit/s"),
        (1500, "1.5 kbit/s"),
        (184_123_456, "184 Mbit/s"),
        (2.5e9, "2.5 Gbit/s"),
    ],
)
def test_rates(rate: float, text: str) -> None:
    assert rough_rate(rate) == text


def test_moments() -> None:
    assert moment(None) == "never"
    assert moment(0) == time.strftime("%Y-%m-%d %H:%M", time.localtime(0))
