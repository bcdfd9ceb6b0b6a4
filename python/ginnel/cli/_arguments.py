"""Reading arguments: argparse with errors of our manner, and the types that several commands share.

Plain argparse and not a framework: it starts in a quarter of the time, which `ginnel ping` in a script feels, and
leaves every word of an error to us.
"""

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from ginnel.cli._terminal import Terminal
from ginnel.config.carrier import CARRIERS
from ginnel.config.mistakes import cut
from ginnel.config.profile import PRESETS
from ginnel.config.sharelink import SESSIONS
from ginnel.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError and shows three examples at the end of its help."""

    def __init__(self, command: str, summary: str, examples: Sequence[tuple[str, str]]) -> None:
        width = max(len(line) for line, _ in examples)
        epilog = "examples:\n" + "\n".join(f"  {line:<{width}}   {what}" for line, what in examples)
        super().__init__(
            prog=f"ginnel {command}",
            description=summary,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.is_intermixed = False
        """Whether options may stand between the words of a list."""
        self.add_argument(
            "--debug", action="store_true", help="show the program's own traceback with an error"
        )

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002 - its signature is argparse's
        """Write the help; argparse's own way would hide that nobody got it."""
        Terminal().out(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the program."""
        raise ConfigError(message, hint=f"See:  {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments; an unknown one is told with the nearest that exists."""
        read = self.parse_known_intermixed_args if self.is_intermixed else self.parse_known_args
        parsed, unknown = read(arguments)
        if not unknown:
            return parsed
        # Only an option is repeated: anything else may be a piece of a share link.
        option = unknown[0].partition("=")[0]
        if not option.startswith("-"):
            self.error(f"{len(unknown)} more argument{'s' * (len(unknown) > 1)} than this command takes")
        near = difflib.get_close_matches(option, list(self._option_string_actions), n=1)
        return self.error(
            f"unknown option {cut(option)!r}." + (f" Did you mean {near[0]!r}?" if near else "")
        )


def add_link(parser: Parser) -> None:
    """Add the share link as an argument, whole or torn into pieces by a line break."""
    parser.add_argument(
        "link",
        metavar="LINK",
        nargs="*",
        help="a share link, a file that holds one, or - for standard input; without it, $GINNEL_LINK",
    )


def add_quiet(parser: Parser) -> None:
    """Add --quiet."""
    parser.add_argument("-q", "--quiet", action="store_true", help="write errors and results only")


def add_set(parser: Parser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any setting of a configuration file, such as limits.tcp_buffer=64KiB; may be given several times",
    )


def add_key_log(parser: Parser) -> None:
    """Add --key-log."""
    parser.add_argument(
        "--key-log",
        metavar="FILE",
        help="write the keys of links there, for `ginnel dump`: who has them and a capture can read everything",
    )


def add_profile(parser: Parser) -> None:
    """Add --profile."""
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"how what it sends is shaped: {' or '.join(PRESETS)}; see `ginnel example ROLE` for every field",
    )


def add_session(parser: Parser, does: str) -> None:
    """Add --session; `does` says whose session it is."""
    parser.add_argument("--session", metavar="NAME", help=f"{does}: {' or '.join(SESSIONS)}")


def add_carrier(parser: Parser) -> None:
    """Add --carrier."""
    parser.add_argument(
        "--carrier",
        metavar="NAME",
        help=f"how it travels: {' or '.join(CARRIERS)}; of the link's servers those with it, or all at the same ports",
    )


def add_interface(parser: Parser) -> None:
    """Add --interface."""
    parser.add_argument(
        "--interface",
        metavar="IF",
        help="interface for raw TCP, be it a VPN's (that of the route); see `ginnel interfaces`",
    )


def add_drain(parser: Parser) -> None:
    """Add --drain."""
    parser.add_argument(
        "--drain",
        metavar="TIME",
        help="how long streams may finish at the end (4s); a second Ctrl-C ends it at once",
    )
