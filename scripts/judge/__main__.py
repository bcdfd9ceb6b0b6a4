"""`python -m scripts.judge FILE [--server HOST[:PORT]] [--json]`: 0 clean, 1 findings, 2 cannot be judged."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ginnel.capture import Skipped, datagrams, read
from ginnel.errors import CaptureError
from scripts.judge.chance import FALSE_ALARM
from scripts.judge.verdict import Verdict, judge, line

CODES = {"clean": 0, "findings": 1, "unjudged": 2}
MOST_LINES = 60
"""Findings that are printed for people; --json has all."""


def server_address(text: str) -> tuple[str, int | None]:
    """`HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host.strip("[]") and not host.startswith("[")):
        return text.strip("[]"), None
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} has no port of 0 to 65535 behind its colon")
    return host.strip("[]"), int(port)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge one file and print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.judge", description="Judges a capture of a link."
    )
    parser.add_argument("file", type=Path, help="pcap or pcapng; - is standard input")
    parser.add_argument("--server", type=server_address, metavar="HOST[:PORT]", help="else it is found out")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    skipped: Counter[Skipped] = Counter()
    source = sys.stdin.buffer if str(options.file) == "-" else options.file
    try:
        found = list(datagrams(read(source), skipped))
    except CaptureError as error:
        print("\n".join(filter(None, (str(error), error.hint))), file=sys.stderr)
        return CODES["unjudged"]
    # Segments of TCP are other connections; or of raw TCP, which begins with what is made to look like text.
    kept = [datagram for datagram in found if datagram.carrier == "udp"]
    verdict = judge(kept, options.server)
    verdict.left_out |= {str(why): count for why, count in skipped.items()}
    if len(kept) < len(found):
        verdict.left_out["TCP segment"] = len(found) - len(kept)
    print(as_json(verdict) if options.json else for_people(verdict))
    return CODES[verdict.word]


def as_json(verdict: Verdict) -> str:
    """For programs."""
    return json.dumps(
        {
            "verdict": verdict.word,
            "flows": verdict.flows,
            "datagrams": verdict.datagrams,
            "tests": verdict.tests,
            "false_alarm": FALSE_ALARM,
            "findings": [finding._asdict() for finding in verdict.findings],
            "judged": verdict.judged,
            "missing": verdict.missing,
            "left_out": verdict.left_out,
        }
    )


def for_people(verdict: Verdict) -> str:
    """A line for each finding, what could not be judged, and the verdict."""
    lines = [line(finding) for finding in verdict.findings[:MOST_LINES]]
    if len(verdict.findings) > MOST_LINES:
        lines.append(f"… and {len(verdict.findings) - MOST_LINES} more; --json has all")
    lines += [f"not judged: {what}" for what in verdict.missing]
    lines += [f"left out: {count} × {reason}" for reason, count in verdict.left_out.items()]
    there, back = verdict.datagrams
    seen = f"{verdict.flows} flows, {there} datagrams to the server and {back} from it, {verdict.tests} tests"
    if verdict.word == "findings":
        end = f"{len(verdict.findings)} findings"
    elif verdict.word == "clean":
        end = f"clean; a false alarm has a probability of {FALSE_ALARM:g}"
    else:
        end = "cannot be judged: too few datagrams"
    return "\n".join([*lines, f"{seen}: {end}"])


if __name__ == "__main__":
    sys.exit(main())
