import pytest

from bench.wire_settings import MTU, CellError, WireSettings, parse_cell


def test_a_cell_is_a_round_trip_and_a_loss() -> None:
    assert parse_cell("50/1", 200) == WireSettings(50, 1, 200)
    assert parse_cell("12.5/0.1", 20) == WireSettings(12.5, 0.1, 20)


@pytest.mark.parametrize(
    "text", ["", "50", "50/", "a/b", "50/1/2", "-1/1", "50/100", "50/-1", "nan/1", "50/nan", "inf/0"]
)
def test_other_texts_are_none(text: str) -> None:
    with pytest.raises(CellError, match="is no cell"):
        parse_cell(text, 200)


def test_the_buffer_is_one_bandwidth_delay_product() -> None:
    assert WireSettings(50, 1, 200).buffer_bytes == 1_250_000
    assert WireSettings(0, 0, 200).buffer_bytes == 10 * MTU


def test_the_delay_is_half_a_round_trip_and_the_loss_a_share() -> None:
    words = " ".join(WireSettings(50, 1, 200).arguments(7))
    assert words == "--rate-mbit 200 --delay-ms 25 --loss 0.01 --seed 7 --buffer-bytes 1250000"


def test_names_tell_wires_apart() -> None:
    assert WireSettings(50, 0.5, 200).key == "50ms-0.5%"
    assert WireSettings(50, 1, 20).title == "50 ms round trip, 1 % lost each way, 20 Mbit/s"
