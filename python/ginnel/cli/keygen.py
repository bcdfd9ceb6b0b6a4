"""`ginnel keygen`."""

import argparse
import json

from ginnel import _native
from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.config.secret import Secret

SUMMARY = (
    "Print fresh keys: a deployment's secret (psk), and a pair of X25519 keys. 32 bytes each, in hexadecimal.\n"
    "Nobody needs this to begin: `ginnel server` makes its own keys. It is for provisioning, and for tests."
)
EXAMPLES = (
    ("ginnel keygen", "a secret and a key pair"),
    ("ginnel keygen --psk", "only a secret"),
    ("ginnel keygen --json > keys.json", "for a script"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("--psk", action="store_true", help="print a secret alone, without its name")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print keys. Here they are the result, so here they are shown."""
    terminal = Terminal()
    keys = {"psk": Secret.generate().reveal().hex()}
    if not parsed.psk:
        private_key = _native.generate_private_key()
        keys |= {"private_key": private_key.hex(), "public_key": _native.public_key(private_key).hex()}
    if parsed.json:
        terminal.out(json.dumps(keys))
    elif parsed.psk:
        terminal.out(keys["psk"])
    else:
        for name, value in keys.items():
            terminal.out(f"{name:<12} {value}")
    return 0
