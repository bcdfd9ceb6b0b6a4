"""How KCP sends, as a value."""

from pathlib import Path
from typing import Any, get_args

import pytest

from ginnel._setup import PLAIN_KCP
from ginnel.config.kcp import DEFAULT_WINDOW, LANES, WINDOW, KcpConfig, Mode
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.errors import ConfigError
from tests.config.test_values import LINK


def test_the_engine_is_told_mode_lanes_and_window() -> None:
    assert KcpConfig().engine() == ("auto", 8, None) == PLAIN_KCP
    assert KcpConfig(mode="fast3", lanes=1, window=2048).engine() == ("fast3", 1, 2048)
    assert {KcpConfig(mode=mode).engine() for mode in get_args(Mode)} == {
        ("auto", 8, None),
        *((mode, 8, DEFAULT_WINDOW) for mode in ("normal", "fast", "fast2", "fast3")),
    }


def test_both_roles_have_it() -> None:
    kcp = KcpConfig(lanes=3)
    assert ServerConfig.build(state=Path("s"), kcp=kcp).kcp is kcp
    assert ClientConfig.build(link=LINK, kcp=kcp).kcp is kcp


def test_bounds_are_taken() -> None:
    for lanes in (LANES.low, LANES.high):
        for window in (WINDOW.low, WINDOW.high):
            assert KcpConfig(mode="normal", lanes=lanes, window=window).engine() == ("normal", lanes, window)


@pytest.mark.parametrize(
    ("settings", "error", "hint"),
    [
        (
            {"mode": "fast4"},
            "kcp.mode = 'fast4' is not one of its words",
            "Did you mean 'fast'? One of: auto, normal, fast, fast2, fast3.",
        ),
        (
            {"mode": 3},
            "kcp.mode = 3 is not a string",
            "One of: auto, normal, fast, fast2, fast3.",
        ),
        ({"lanes": 0}, "kcp.lanes = 0 is too small", "Allowed: 1 to 16. The default is 8."),
        ({"lanes": 17}, "kcp.lanes = 17 is too large", "Allowed: 1 to 16. The default is 8."),
        (
            {"lanes": "4"},
            "kcp.lanes = '4' is not a whole number",
            "Write it without quotes. Allowed: 1 to 16. The default is 8.",
        ),
        (
            {"mode": "fast", "window": 31},
            "kcp.window = 31 is too small",
            "Allowed: 32 to 32,768.",
        ),
        ({"mode": "fast", "window": 32_769}, "kcp.window = 32769 is too large", "Allowed: 32 to 32,768."),
        (
            {"window": 64},
            'kcp.window = 64 counts only in a fixed mode, and kcp.mode is "auto"',
            "Leave it out: it follows the path. Or set kcp.mode to one of: normal, fast, fast2, fast3.",
        ),
        ({"lane": 4}, "unknown key 'lane'. Did you mean 'lanes'?", "Known: mode, lanes, window."),
    ],
)
def test_what_cannot_be_is_told_with_field_value_and_range(
    settings: dict[str, Any], error: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        KcpConfig(**settings)
    assert (str(caught.value), caught.value.hint) == (error, hint)
