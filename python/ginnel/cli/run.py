"""`ginnel run`."""

import argparse

from ginnel.cli import client, server
from ginnel.cli._arguments import Parser, add_quiet, add_set
from ginnel.cli._log import add_log, log_flags
from ginnel.cli._settings import file_path, take_environment
from ginnel.cli._terminal import Terminal
from ginnel.config.load import Source

SUMMARY = (
    "Run a server or a client as a configuration file says. SIGHUP reads the file again: what did not change is not\n"
    "touched, and a bad file changes nothing. Flags count more than the environment, and that more than the file."
)
EXAMPLES = (
    ("ginnel example server > server.toml", "a file to begin with; `ginnel check server.toml` checks it"),
    ("ginnel run -c server.toml", "a server or a client: the file says its role"),
    ("ginnel run -c client.toml --set log.level=debug", "with one setting changed"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help="the configuration file, TOML")
    add_log(parser)
    add_set(parser)
    add_quiet(parser)


def run(parsed: argparse.Namespace) -> int:
    """Run until a signal."""
    terminal = Terminal(quiet=parsed.quiet)
    source = Source(
        file=file_path(parsed.config),
        variables=take_environment(),
        flags=log_flags(parsed),
        assignments=parsed.set,
    )
    loaded = source.load()
    if loaded.role == "client":
        return client.serve(source, loaded, terminal)
    return server.serve(source, loaded, terminal)
