"""What decides how fast a link sends, as values."""

from pathlib import Path
from typing import Any

import pytest

from ginnel.config.congestion import CONTROLLERS, RATE, Sending
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.errors import ConfigError
from tests.config.test_values import LINK


def test_the_engine_is_told_a_name_and_bytes_per_second() -> None:
    assert Sending().engine_congestion() == ("adaptive", None)
    assert Sending(congestion="cubic").engine_congestion() == ("cubic", None)
    fixed = Sending(congestion="fixed", rate_bits_per_second=20_000_000)
    assert fixed.engine_congestion() == ("fixed", 2_500_000)
    assert CONTROLLERS == ("adaptive", "cubic", "fixed")


def test_both_roles_have_it() -> None:
    settings: dict[str, Any] = {"congestion": "fixed", "rate_bits_per_second": 100_000}
    for config in (
        ServerConfig.build(state=Path("s"), **settings),
        ClientConfig.build(link=LINK, **settings),
    ):
        assert config.engine_congestion() == ("fixed", 12_500)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"congestion": "fixed"}, '^congestion = "fixed" needs rate_bits_per_second$'),
        ({"rate_bits_per_second": 10**6}, '^rate_bits_per_second is used by .* alone, not by "adaptive"$'),
        (
            {"congestion": "cubic", "rate_bits_per_second": 10**6},
            '^rate_bits_per_second is used by congestion = "fixed" alone, not by "cubic"$',
        ),
        (
            {"congestion": "fixed", "rate_bits_per_second": 99_999},
            "^rate_bits_per_second = 99999 is too small",
        ),
        ({"congestion": "fixed", "rate_bits_per_second": 10**11 + 1}, "is too large"),
        (
            {"congestion": "fixed", "rate_bits_per_second": "20 Mbit/s"},
            "^rate_bits_per_second: .*valid integer",
        ),
        ({"congestion": "bbr"}, "^congestion: Input should be 'adaptive', 'cubic' or 'fixed'$"),
    ],
)
def test_what_does_not_fit_is_told(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        ServerConfig.build(state=Path("s"), **settings)


@pytest.mark.parametrize("rate", [RATE.low, RATE.high])
def test_rates_at_their_bounds_are_taken(rate: int) -> None:
    assert Sending(congestion="fixed", rate_bits_per_second=rate).engine_congestion()[1] == rate / 8
