"""The log's settings."""

import pytest

from ginnel.config.logs import AREAS, PYTHON_AREAS, LogConfig
from ginnel.errors import ConfigError


def test_an_area_without_a_level_has_that_of_all() -> None:
    log = LogConfig(level="warning", areas={"link": "trace", "config": "debug"})
    assert log.level_of("link") == "trace"
    assert log.level_of("stream") == "warning"
    # The engine refuses areas that it does not have.
    assert log.engine_levels() == {"": "warning", "link": "trace"}


def test_pythons_areas_are_areas() -> None:
    assert set(AREAS) > PYTHON_AREAS


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"level": "loud"}, "level"),
        ({"format": "xml"}, "format"),
        ({"areas": {"lnik": "info"}}, "areas.lnik"),
    ],
)
def test_mistakes_are_config_errors(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LogConfig(**settings)  # type: ignore[arg-type]  # wrong values are the test
    assert str(caught.value).startswith(name)
