"""`ginnel check`."""

import argparse
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ginnel.cli._arguments import Parser, add_set
from ginnel.cli._settings import file_path, take_environment
from ginnel.cli._terminal import Terminal
from ginnel.config.layers import DEFAULT, Mistake, Origin
from ginnel.config.load import Loaded, Source
from ginnel.config.secret import MASK
from ginnel.config.settings import SETTINGS
from ginnel.errors import ConfigError, without_secrets

SUMMARY = (
    "Say everything that is wrong with a configuration file, without running it: line, key, value, what is allowed.\n"
    "The environment and --set count as they do for `ginnel run`. Exit code 0 when all is good, 2 when not."
)
EXAMPLES = (
    ("ginnel check server.toml", "before a restart or a reload"),
    ("ginnel check client.toml --show", "every setting as it would hold, and where it comes from"),
    ("ginnel check server.toml --json", "for scripts and editors"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a configuration file, TOML")
    parser.add_argument(
        "--show", action="store_true", help="show every setting and its origin; secrets are masked"
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_set(parser)


def run(parsed: argparse.Namespace) -> int:
    """Check the file."""
    terminal = Terminal()
    source = Source(file=file_path(parsed.file), variables=take_environment(), assignments=parsed.set)
    try:
        loaded = source.load()
    except ConfigError as error:
        # Not a file, or not TOML: the one mistake there is.
        loaded = Loaded(
            None, mistakes=(Mistake(Origin("file", without_secrets(parsed.file)), str(error), error.hint),)
        )
    if parsed.json:
        terminal.out(json.dumps(_facts(parsed, loaded), ensure_ascii=False))
        return 2 if loaded.mistakes else 0
    for warning in loaded.warnings:
        terminal.warn(warning)
    if len(loaded.mistakes) > 1:
        raise ConfigError(
            f"{parsed.file} has {len(loaded.mistakes)} mistakes",
            hint="\n".join(mistake.line for mistake in loaded.mistakes),
        )
    loaded.usable()
    count = len(loaded.origins)
    if parsed.show:
        for one in _shown(loaded, parsed.file):
            terminal.out(str(one))
    else:
        terminal.out(f"{parsed.file} is good: role {loaded.role}, {count} setting{'s' * (count != 1)}")
    return 0


class _Shown(NamedTuple):
    """One setting as it would hold."""

    key: str
    value: str | None
    """As TOML; None where nothing is set and no default says what holds."""
    origin: str
    note: str

    def __str__(self) -> str:
        if self.value is None:
            return f"# {self.key}: {self.note}"
        return f"{f'{self.key} = {self.value}':<44} # {self.origin}"


def _shown(loaded: Loaded, file: str) -> Iterator[_Shown]:
    """Every setting as it would hold, secrets masked."""
    if loaded.role is None or loaded.config is None:
        return
    yield _Shown("role", json.dumps(loaded.role), file, "")
    for key, setting in SETTINGS[loaded.role].items():
        if not setting.name:
            continue
        origin = loaded.origins.get(key, DEFAULT)
        if key == "link":
            origin = loaded.origins.get("link_file", origin)
        value = setting.of(loaded.config)
        text = None if value is None else f'"{MASK}"' if setting.secret else setting.kind.spell(value)
        yield _Shown(key, text, str(origin), setting.without)


def _facts(parsed: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "file": without_secrets(parsed.file),
        "good": not loaded.mistakes,
        "role": loaded.role,
        "settings": len(loaded.origins),
        "warnings": list(loaded.warnings),
        "mistakes": [
            {
                "line": one.origin.line,
                "origin": str(one.origin),
                "key": one.key,
                "message": one.message,
                "hint": one.hint,
            }
            for one in loaded.mistakes
        ],
    }
    if parsed.show:
        facts["effective"] = [
            {"key": one.key, "value": one.value, "origin": one.origin} for one in _shown(loaded, parsed.file)
        ]
    return facts
