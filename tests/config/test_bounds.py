"""Tables of bounds, with one of our own."""

from typing import Annotated, ClassVar

import pytest

from ginnel.config.bounds import Rule, Table, count, key_of, seconds, size
from ginnel.errors import ConfigError


class Try(Table):
    """Three settings, of which one is only a server's."""

    name: ClassVar[str] = "try"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("short", "long", may_be_equal=False),
        Rule("part", "whole", may_be_equal=True),
    )

    short_seconds: Annotated[float | None, seconds("1s", "1h", "Short.", both="1s")] = None
    long_seconds: Annotated[float | None, seconds("1s", "1h", "Long.", both="2s")] = None
    part_bytes: Annotated[int | None, size("1B", "1KiB", "Part.", server="8B", client="4B")] = None
    whole_bytes: Annotated[int | None, size("1B", "1KiB", "Whole.", both="16B")] = None
    links: Annotated[int | None, count(0, 9, "Links.", server=0)] = None


def test_what_is_left_out_is_the_default_of_the_role() -> None:
    assert Try().filled("server").engine("server") == {
        "short": 1,
        "long": 2,
        "part": 8,
        "whole": 16,
        "links": 0,
    }
    assert Try(part_bytes=9).filled("client").engine("client") == {
        "short": 1,
        "long": 2,
        "part": 9,
        "whole": 16,
    }


@pytest.mark.parametrize(
    ("settings", "error", "hint"),
    [
        (
            {"short_seconds": 0.5},
            "short_seconds = 0.5 is too small",
            "Allowed: 1 s to 1 h. The default is 1 s.",
        ),
        ({"short_seconds": float("nan")}, "short_seconds = nan is not a number", "Allowed"),
        (
            {"part_bytes": 2000},
            "part_bytes = 2000 is too large",
            "The default is 8 B on a server, 4 B on a client.",
        ),
        ({"part_bytes": 1.5}, "part_bytes: ", ""),
        ({"links": True}, "links: ", ""),
        ({"lniks": 1}, "unknown key 'lniks'. Did you mean 'links'?", "short_seconds"),
    ],
)
def test_mistakes_are_config_errors(settings: dict[str, float], error: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Try(**settings)  # type: ignore[arg-type]  # wrong types are the test
    assert str(caught.value).startswith(error)
    assert hint in caught.value.hint
    assert caught.value.setting == next(iter(settings))


def test_settings_that_do_not_fit_together() -> None:
    with pytest.raises(ConfigError, match=r"short_seconds = 2 must be less than long_seconds, 2 s"):
        Try(short_seconds=2).filled("client")
    with pytest.raises(ConfigError, match=r"part_bytes = 17 is more than whole_bytes, 16 B"):
        Try(part_bytes=17).filled("client")
    assert Try(part_bytes=16).filled("client").part_bytes == 16


def test_a_setting_of_the_other_role() -> None:
    with pytest.raises(ConfigError, match="links is no setting of a client"):
        Try(links=1).filled("client")


def test_values_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Try().links = 1  # type: ignore[misc]  # assigning is the test


def test_keys_are_names_without_units() -> None:
    assert [key_of(name) for name in ("a_seconds", "b_bytes", "opens_per_second")] == [
        "a",
        "b",
        "opens_per_second",
    ]
