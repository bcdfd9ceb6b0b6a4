"""Sets of ports."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.ports import ANY_PORT, MAX_PORT, MAX_PORTS, MAX_RANGES, Ports
from ginnel.errors import ConfigError


def test_ranges_have_one_form() -> None:
    ports = Ports(((5000, 5002), (443, 443), (444, 450), (5001, 5003), (447, 448)))
    assert ports.ranges == ((443, 450), (5000, 5003))
    assert (str(ports), ports.first, ports.count) == ("443-450,5000-5003", 443, 12)
    assert ports == Ports.parse("5000-5003,443-450", setting="x")
    assert 450 in ports
    assert 451 not in ports
    assert "443" not in ports


@given(st.lists(st.integers(1, MAX_PORT), min_size=1, max_size=MAX_RANGES))
def test_what_is_written_is_read_again(numbers: list[int]) -> None:
    ports = Ports(tuple((number, number) for number in numbers))
    assert list(ports) == sorted(set(numbers))
    assert ports.count == len(set(numbers))
    assert Ports.parse(str(ports), setting="x") == ports


def test_ports_in_a_row_end_where_ports_end() -> None:
    assert Ports.run(5000, 3).ranges == ((5000, 5002),)
    assert Ports.run(MAX_PORT, 3).ranges == ((MAX_PORT - 2, MAX_PORT),)
    assert Ports.one(7) == Ports.run(7, 1)
    assert Ports.one(0) == ANY_PORT


def test_as_many_as_there_may_be() -> None:
    assert Ports.run(1, MAX_PORTS).count == MAX_PORTS
    apart = tuple((2 * number, 2 * number) for number in range(1, MAX_RANGES + 1))
    assert len(Ports(apart).ranges) == MAX_RANGES
    # What touches is one range, however it is written.
    assert Ports(tuple((number, number) for number in range(1, 100))).ranges == ((1, 99),)


@pytest.mark.parametrize(
    ("ranges", "what"),
    [
        ((), "a set of ports has no port"),
        (((1, MAX_PORTS + 1),), "a set of ports has 257 ports"),
        (
            tuple((2 * number, 2 * number) for number in range(1, MAX_RANGES + 2)),
            "a set of ports has 17 ranges",
        ),
        (((5, 4),), "a set of ports has a range that runs backwards"),
        (((1, 65536),), "a set of ports has no valid port"),
        (((-1, 5),), "a set of ports has no valid port"),
        (((True, 5),), "a set of ports has no valid port"),
        (((0, 5),), "a set of ports has port 0, which stands for any free port, beside others"),
    ],
)
def test_what_is_no_set_of_ports(ranges: tuple[tuple[int, int], ...], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Ports(ranges)
    assert str(caught.value) == what
    assert "at most 256 ports in 16 ranges" in caught.value.hint


@given(st.text(st.sampled_from("0123456789,- "), max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ConfigError):
        ports = Ports.parse(text, setting="x")
        assert Ports.parse(str(ports), setting="x") == ports
