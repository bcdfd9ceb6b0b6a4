import pytest

from bench.quantities import Unit, show, show_range


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (4.826e9, "bit/s", "4.83 Gbit/s"),
        (184.4e6, "bit/s", "184 Mbit/s"),
        (999.9e6, "bit/s", "1.00 Gbit/s"),
        (0.0, "bit/s", "0 bit/s"),
        (29_013.0, "1/s", "29,000 /s"),
        (999.6, "1/s", "1,000 /s"),
        (5.25, "1/s", "5.25 /s"),
        (2.345, "s/GB", "2.35 s/GB"),
        (0.061, "s/GB", "0.0610 s/GB"),
        (32.04e-6, "s", "32.0 µs"),
        (4.3e-3, "s", "4.30 ms"),
        (1.6, "s", "1.60 s"),
        (12_700_000.0, "bytes", "12.1 MiB"),
        (3072.0, "bytes", "3.00 KiB"),
        (3.5, "count", "3.50"),
        (1.0142, "ratio", "1.014"),
        (1.344, "RTT", "1.34 RTT"),
    ],
)
def test_amounts_read_as_people_write_them(value: float, unit: Unit, words: str) -> None:
    assert show(value, unit) == words


def test_a_range_has_one_unit() -> None:
    assert show_range(0.8e9, 1.25e9, "bit/s") == "0.800–1.25 Gbit/s"
    assert show_range(400e-6, 1.3e-3, "s") == "0.400–1.30 ms"
