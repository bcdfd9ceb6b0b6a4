"""`ginnel example`."""

import argparse
import json

from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.config.bounds import ROLES
from ginnel.config.example import example
from ginnel.config.mistakes import cut, did_you_mean
from ginnel.config.schema import schema
from ginnel.errors import ConfigError

SUMMARY = (
    "Print a configuration file of a server or a client: every setting with its default, range and meaning."
)
EXAMPLES = (
    ("ginnel example server > server.toml", "a file to begin with"),
    ("ginnel example client | less", "to read what can be set"),
    ("ginnel example client --schema > client.json", "the JSON schema, for an editor"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("role", metavar="ROLE", help="server or client")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema (draft 2020-12) instead")


def run(parsed: argparse.Namespace) -> int:
    """Print it."""
    role = next((role for role in ROLES if role == parsed.role), None)
    if role is None:
        guess = did_you_mean(parsed.role, ROLES)
        raise ConfigError(
            f"{cut(parsed.role)!r} is not a role.{guess}",
            hint="Such as:  ginnel example server",
            setting="role",
        )
    text = (
        json.dumps(schema(role), indent=2, ensure_ascii=False)
        if parsed.schema
        else example(role).rstrip("\n")
    )
    Terminal().out(text)
    return 0
