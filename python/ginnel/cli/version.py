"""`ginnel version`."""

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version

from ginnel import _native
from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.errors import EngineError

SUMMARY = "Print the versions of ginnel, its engine and what they run on."
EXAMPLES = (
    ("ginnel version", "for people and bug reports"),
    ("ginnel version --json", "for scripts"),
    ("ginnel --version", "the same as the first"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print versions. A missing engine is told, not fatal: this is the command that people run to find out."""
    try:
        engine = _native.engine_version()
    except EngineError:
        engine = "missing"
    facts = {
        "ginnel": program_version(),
        "engine": engine,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if parsed.json:
        Terminal().out(json.dumps(facts))
    else:
        Terminal().out("ginnel {ginnel} (engine {engine}, Python {python}, {system})".format(**facts))
    return 0


def program_version() -> str:
    """Return the installed version; from a source tree that was never installed, a word that says so."""
    try:
        return version("ginnel")
    except PackageNotFoundError:
        return "(not installed)"
