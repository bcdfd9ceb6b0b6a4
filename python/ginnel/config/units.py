"""Times as people write them: `10s`, `500ms`, `2m`; one number and one unit."""

import re

from ginnel.errors import ConfigError

_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|min|h|)")


def parse_duration(text: str, *, setting: str, maximum_seconds: float) -> float:
    """Read a time with a unit (seconds when it has none) and return it in seconds.

    Raises ConfigError, naming `setting` and the allowed range.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ConfigError(
            f"{setting} = {text[:40]!r} is not a time",
            hint="Write a number and a unit: 500ms, 4s, 2m. Without a unit it counts seconds.",
            setting=setting,
        )
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > maximum_seconds:
        raise ConfigError(
            f"{setting} = {text[:40]!r} is too long",
            hint=f"Allowed: 0 to {format_duration(maximum_seconds)}.",
            setting=setting,
        )
    return seconds


def format_duration(seconds: float) -> str:
    """Write a time for people: `0.4 ms`, `41 ms`, `1.5 s`, `2 min`."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min"
