"""The log of a command: what Python and the engine log, on standard error, as text or as JSON."""

import argparse
import logging
import traceback
from collections.abc import Mapping, Sequence
from typing import Literal

from ginnel._native import LOG_LEVELS, TRACE
from ginnel.cli._arguments import Parser
from ginnel.cli._lines import json_line, key_values, one_line
from ginnel.cli._terminal import Terminal
from ginnel.config.logs import AREAS, FORMATS, LEVELS, LogConfig
from ginnel.config.mistakes import cut, did_you_mean
from ginnel.errors import ConfigError

_ROOT = "ginnel"
_OFF = logging.CRITICAL + 1

Flags = dict[str, tuple[str, object]]
"""Raw values of settings, by their keys: the flag that gave each, and what it said."""


class LogHandler(logging.Handler):
    """Writes records as lines. Nothing that standard error does holds up or ends the program."""

    def __init__(self, form: Literal["text", "json"], terminal: Terminal) -> None:
        super().__init__()
        self.form = form
        self._terminal = terminal
        self._lines = terminal.lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            if self.form == "json":
                self._lines.write(as_json(record))
            elif not hasattr(record, "event"):
                # An event has a line of its own, made for people: see `_events`.
                self._lines.write(as_text(record, self._terminal))
        except Exception:  # a record that cannot be shown must not end what it is about
            self._lines.write(f"a log record of {record.name} cannot be shown")


def install(levels: Mapping[str, str], form: Literal["text", "json"], terminal: Terminal) -> None:
    """Show the log from now on, in the place of what was shown before.

    `levels` are levels by area; the area "" stands for all that are not named. They hold for Python; the engine has
    levels of its own: `Server.set_log`, `Client.set_log`.
    """
    remove()
    logging.getLogger().addHandler(LogHandler(form, terminal))
    logging.addLevelName(TRACE, "TRACE")
    set_levels(levels)
    Terminal.is_json = form == "json"


def set_levels(levels: Mapping[str, str]) -> None:
    """Show these levels of what Python logs."""
    logging.getLogger(_ROOT).setLevel(_number(levels.get("", "info")))
    for area in AREAS:
        level = levels.get(area)
        logging.getLogger(f"{_ROOT}.{area}").setLevel(logging.NOTSET if level is None else _number(level))


def remove() -> None:
    """Show the log no longer."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)
    for name in (_ROOT, *(f"{_ROOT}.{area}" for area in AREAS)):
        logging.getLogger(name).setLevel(logging.NOTSET)
    Terminal.is_json = False


def add_log(parser: Parser) -> None:
    """Add --log-level and --log-format."""
    parser.add_argument(
        "--log-level",
        metavar="[AREA=]LEVEL",
        action="append",
        default=[],
        help=f"how much is logged, of an area or of all ({', '.join(LEVELS)}); may be given several times",
    )
    parser.add_argument("--log-format", metavar="FORMAT", help="text, or json: one object a line")


def log_flags(parsed: argparse.Namespace) -> Flags:
    """The settings that --log-level and --log-format give; --quiet leaves errors, where no level is given."""
    flags: Flags = {"log.level": ("--quiet", "error")} if parsed.quiet else {}
    for text in parsed.log_level:
        area, given, level = text.rpartition("=")
        level = _known(level.strip().lower(), LEVELS, f"--log-level {cut(text)}: unknown level")
        key = "log.level"
        if given:
            area = _known(area.strip().lower(), tuple(AREAS), f"--log-level {cut(text)}: unknown area")
            key = f"log.areas.{area}"
        flags[key] = ("--log-level", level)
    if parsed.log_format is not None:
        form = _known(parsed.log_format.lower(), FORMATS, "--log-format: unknown format")
        flags["log.format"] = ("--log-format", form)
    return flags


def all_levels(config: LogConfig) -> dict[str, str]:
    """The levels of a configuration, as `install` takes them."""
    levels: dict[str, str] = {"": config.level}
    levels.update(config.areas.items())
    return levels


def as_json(record: logging.LogRecord) -> str:
    """Say a record as an object in one line."""
    return json_line(record.created, _level(record), _area(record), record.getMessage(), _facts(record))


def as_text(record: logging.LogRecord, terminal: Terminal) -> str:
    """Say a record as a line for people."""
    facts = key_values(_facts(record))
    text = f"{_area(record)}: {record.getMessage()}{f'  {facts}' if facts else ''}"
    return terminal.event_line(_level(record), one_line(text), record.created)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts: dict[str, object] = dict(getattr(record, "facts", {}))
    if record.exc_info and record.exc_info[1] is not None:
        # Its kind and place: the message of an error that nobody foresaw may hold anything.
        error = record.exc_info[1]
        facts["error"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            facts["at"] = f"{frames[-1].filename}:{frames[-1].lineno}"
    return facts


def _area(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{_ROOT}.")


def _level(record: logging.LogRecord) -> str:
    return next(name for name, number in LOG_LEVELS.items() if record.levelno >= number or number == TRACE)


def _number(level: str) -> int:
    return LOG_LEVELS.get(level, _OFF)


def _known(word: str, known: Sequence[str], what: str) -> str:
    if word in known:
        return word
    setting = what.split()[0].rstrip(":")
    raise ConfigError(
        f"{what} {cut(word)!r}.{did_you_mean(word, known)}",
        hint=f"Known: {', '.join(known)}.",
        setting=setting,
    )
