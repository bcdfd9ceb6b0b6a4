"""What configuration values have in common."""

from pathlib import Path

import pytest

from ginnel.config.address import Endpoint
from ginnel.config.ports import Ports
from ginnel.config.values import ServerConfig
from ginnel.errors import ConfigError


def test_values_are_frozen_and_compared_by_content() -> None:
    config = ServerConfig.build(state=Path("state"), listen=(Endpoint("127.0.0.1", Ports.one(1)),))
    assert config == ServerConfig.build(state=Path("state"), listen=(Endpoint("127.0.0.1", Ports.one(1)),))
    with pytest.raises(ValueError, match="frozen"):
        config.allow_private = True  # type: ignore[misc]  # assigning is the test


def test_an_unknown_key_is_told_with_the_nearest_that_exists() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'listne'\. Did you mean 'listen'\?") as caught:
        ServerConfig.build(state=Path("state"), listne=1)
    assert caught.value.setting == "listne"


def test_an_unknown_key_like_nothing_lists_what_exists() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'zzz'\.$") as caught:
        ServerConfig.build(state=Path("state"), zzz=1)
    assert "allow_private" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"drain_seconds": -1.0}, "drain_seconds"),
        ({"drain_seconds": 3601.0}, "drain_seconds"),
        ({"drain_seconds": float("nan")}, "drain_seconds"),
        ({"session": "tcp"}, "session"),
        ({"allow_private": "yes"}, "allow_private"),
    ],
)
def test_a_bad_value_names_the_setting(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig.build(state=Path("state"), **settings)
    assert caught.value.setting == name
    assert str(caught.value).startswith(name)
