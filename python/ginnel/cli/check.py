"""`ginnel check`."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from ginnel.cli._arguments import Parser, add_set
from ginnel.cli._settings import file_path, take_environment
from ginnel.cli._terminal import Terminal
from ginnel.config.layers import DEFAULT, Mistake, Origin
from ginnel.config.load import Loaded, Source
from ginnel.config.secret import MASK
from ginnel.config.settings import SETTINGS, Setting
from ginnel.errors import ConfigError

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
        loaded = Loaded(None, mistakes=(Mistake(Origin("file", parsed.file), str(error), error.hint),))
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
        for key, text, origin in _shown(loaded):
            terminal.out(f"{f'{key} = {text}':<44} # {origin}")
    else:
        terminal.out(f"{parsed.file} is good: role {loaded.role}, {count} setting{'s' * (count != 1)}")
    return 0


def _shown(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """Each setting as it would hold: key, value and origin."""
    if loaded.role is None or loaded.config is None:
        return
    yield "role", json.dumps(loaded.role), "file"
    for key, setting in SETTINGS[loaded.role].items():
        origin = loaded.origins.get(key, DEFAULT)
        if setting.name:
            value = setting.of(loaded.config)
            # The share link may have come by its file.
            if origin == DEFAULT and (key != "link" or "link_file" not in loaded.origins):
                yield key, _spelled(setting, value), "default"
            else:
                yield (
                    key,
                    _spelled(setting, value),
                    str(loaded.origins.get(key) or loaded.origins["link_file"]),
                )


def _spelled(setting: Setting, value: Any) -> str:
    if setting.secret:
        return f'"{MASK}"'
    return f"({setting.without.rstrip('.')})" if value is None else setting.kind.spell(value)


def _facts(parsed: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "file": parsed.file,
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
            {"key": key, "value": text, "origin": origin} for key, text, origin in _shown(loaded)
        ]
    return facts
