"""The arguments of `python -m bench`."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import default_path
from bench.rows import CLEAN_ROWS

DEFAULT_OUT = Path(__file__).parent / "out"
LAST = "last"
WAN_CELLS = ("50/0", "50/1", "50/5", "150/1", "150/5")
QUICK_WAN_CELLS = ("50/1", "150/5")
RATE_MBIT = 200.0


@dataclass(frozen=True)
class Scope:
    """How much is done when nobody says it."""

    rounds: int
    budget: float
    """Seconds for all measurements of the clean benchmark that take time; the start and the rest come on top."""
    shortest: float
    longest: float
    wan_seconds: float


FULL = Scope(rounds=5, budget=540, shortest=1.0, longest=4.0, wan_seconds=15.0)
QUICK = Scope(rounds=2, budget=75, shortest=0.5, longest=3.0, wan_seconds=8.0)


def parser() -> argparse.ArgumentParser:
    """What can be given."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure ginnel, its peers and the plain network in turns; bench/README.md says how to read it.",
    )
    made.add_argument("--wan", action="store_true", help="the lossy laboratory, which needs root")
    made.add_argument("--quick", action="store_true", help="less of everything: under two minutes")
    made.add_argument("--rounds", type=_number(1, 1000), metavar="N", help="measurements of each cell")
    made.add_argument("--seconds", type=_seconds, metavar="S", help="length of each measurement")
    made.add_argument("--subjects", type=_words, metavar="A,B", help="only these; the report names them all")
    made.add_argument(
        "--rows",
        type=_words,
        metavar="A,B",
        help=f"only these: {', '.join(row.info.key for row in CLEAN_ROWS)}",
    )
    made.add_argument("--base", default="relay", metavar="SUBJECT", help="with whom ratios compare (relay)")
    made.add_argument("--loopback", action="store_true", help="no network namespaces, although we are root")
    made.add_argument(
        "--offload",
        choices=("on", "off"),
        default="on",
        help="off: one packet at a time passes the veth pair, as on a card that merges none; needs ethtool",
    )
    made.add_argument("--load", type=Path, default=default_path(), metavar="PATH", help="the load program")
    wan = made.add_argument_group("the lossy laboratory")
    wan.add_argument(
        "--cell",
        action="append",
        metavar="RTT/LOSS",
        help=f"round trip in ms and loss per direction in %%; again for more ({' '.join(WAN_CELLS)})",
    )
    wan.add_argument(
        "--rate",
        type=_rate,
        default=RATE_MBIT,
        metavar="MBIT",
        help=f"of the wire, in Mbit/s ({RATE_MBIT:g})",
    )
    wan.add_argument(
        "--seed", type=_number(0, 2**32), default=1, metavar="N", help="of the first round's chance (1)"
    )
    out = made.add_argument_group("results")
    out.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="where JSON and chart go (bench/out)"
    )
    out.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown too")
    out.add_argument(
        "--compare",
        metavar="FILE",
        help=f"say what has changed since that run; '{LAST}' is the newest in DIR",
    )
    out.add_argument(
        "--show", type=Path, metavar="FILE", help="measure nothing: show a stored run, or compare it"
    )
    return made


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: {low} to {high} can be had")
        return value

    return number


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0.05 <= value <= 3600):
        raise argparse.ArgumentTypeError(f"{text}: 0.05 to 3600 seconds can be had")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0.1 <= value <= 100_000):
        raise argparse.ArgumentTypeError(f"{text}: 0.1 to 100000 Mbit/s can be had")
    return value


def _words(text: str) -> Sequence[str]:
    return [word for word in text.split(",") if word]
