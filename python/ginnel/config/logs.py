"""What is logged, and how."""

from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from ginnel.config.value import Value, explain

Level = Literal["off", "error", "warning", "info", "debug", "trace"]
LEVELS: tuple[Level, ...] = ("off", "error", "warning", "info", "debug", "trace")
Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = ("text", "json")

EngineArea = Literal["link", "handshake", "stream", "inbound", "outbound", "resolver", "limits", "engine"]
Area = Literal[EngineArea, "config", "control", "users"]
AREAS: dict[Area, str] = {
    "link": "links that come up, go away, change their path; what was dropped on the way",
    "handshake": "who asked for a link, and what became of it",
    "stream": "streams that open and end",
    "inbound": "what applications ask for",
    "outbound": "connections to targets",
    "resolver": "names that are looked up",
    "limits": "bounds that were reached",
    "engine": "the engine itself",
    "config": "settings, and how they change",
    "control": "what `ginnel` commands ask of this program",
    "users": "users that come, go or change",
}
"""Each area, and what it tells."""
PYTHON_AREAS: frozenset[Area] = frozenset(("config", "control", "users"))
"""Areas that the engine does not know."""


class LogConfig(Value):
    """The log. Raises ConfigError, which names the field and what would be right."""

    if not TYPE_CHECKING:  # the signature is that of the fields

        def __init__(self, **settings: object) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise explain(error, tuple(type(self).model_fields)) from None

    level: Level = "info"
    """What is worth a line, in every area that has no level of its own."""
    format: Format = "text"
    areas: dict[Area, Level] = {}  # noqa: RUF012 - pydantic copies it
    """Levels of single areas."""

    def level_of(self, area: Area) -> Level:
        """The level of an area."""
        return self.areas.get(area, self.level)

    def engine_levels(self) -> dict[str, str]:
        """The levels as the engine takes them: key "" is that of all areas that are not named."""
        levels: dict[str, str] = {"": self.level}
        levels.update((area, level) for area, level in self.areas.items() if area not in PYTHON_AREAS)
        return levels
