"""`ginnel keygen`."""

import argparse
import json

from ginnel import _native
from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.config.profile import DEFAULT_PRESET, PRESETS, Profile, ProfileConfig
from ginnel.config.secret import Secret
from ginnel.errors import ConfigError

SUMMARY = (
    "Print fresh keys: a deployment's secret (psk), and a pair of X25519 keys, 32 bytes each, in hexadecimal; and a\n"
    "fresh profile, which says how what is sent is shaped, for a configuration file.\n"
    "Nobody needs this to begin: `ginnel server` makes its own. It is for provisioning, and for tests."
)
EXAMPLES = (
    ("ginnel keygen", "a secret, a key pair and a profile"),
    ("ginnel keygen --profile light", "only a profile: a table for a configuration file"),
    ("ginnel keygen --json > keys.json", "for a script"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("--psk", action="store_true", help="print a secret alone, without its name")
    parser.add_argument(
        "--profile",
        metavar="NAME",
        nargs="?",
        const=DEFAULT_PRESET,
        help=f"print a profile alone, of the preset {' or '.join(PRESETS)} ({DEFAULT_PRESET})",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print keys. Here they are the result, so here they are shown."""
    if parsed.psk and parsed.profile is not None:
        raise ConfigError("--psk and --profile each print one thing alone: give one of them")
    terminal = Terminal()
    preset = ProfileConfig.of(parsed.profile).preset or DEFAULT_PRESET
    keys = {} if parsed.profile is not None else _keys(only_psk=parsed.psk)
    profile = None if parsed.psk else Profile.fresh(preset)
    if parsed.json:
        shape = {} if profile is None else {"profile": {"preset": preset, **profile.pairs()}}
        terminal.out(json.dumps({**keys, **shape}))
    elif parsed.psk:
        terminal.out(keys["psk"])
    else:
        for name, value in keys.items():
            terminal.out(f"{name:<12} {value}")
        if profile is not None:
            terminal.out(f"{chr(10) if keys else ''}{profile.to_toml()}")
    return 0


def _keys(*, only_psk: bool) -> dict[str, str]:
    keys = {"psk": Secret.generate().reveal().hex()}
    if not only_psk:
        private_key = _native.generate_private_key()
        keys |= {"private_key": private_key.hex(), "public_key": _native.public_key(private_key).hex()}
    return keys
