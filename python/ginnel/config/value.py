"""What all configuration values have in common, and how their mistakes are told."""

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ginnel.config.mistakes import cut
from ginnel.errors import ConfigError


class Value(BaseModel):
    """A frozen value: keyword-only, unknown fields refused, compared by content.

    `hide_input_in_errors`: a bad value may be a key, and errors get logged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)

    @classmethod
    def build(cls, **settings: Any) -> Self:
        """Make the value; mistakes come as ConfigError, which names the setting and what would be right."""
        try:
            return cls(**settings)
        except ValidationError as error:
            raise explain(error, tuple(cls.model_fields)) from None


def explain(error: ValidationError, known: tuple[str, ...]) -> ConfigError:
    """Turn the first mistake that pydantic found into a ConfigError; `known` are the names that exist."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        last = str(first["loc"][-1])
        near = difflib.get_close_matches(last, known, n=1)
        message = f"unknown key {cut(last)!r}." + (f" Did you mean {near[0]!r}?" if near else "")
        return ConfigError(message, hint=f"Known: {', '.join(known)}.", setting=name)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return cause
    return ConfigError(f"{name}: {first['msg'].removeprefix('Value error, ')}", setting=name or None)
