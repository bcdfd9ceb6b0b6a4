"""`ginnel dump`."""

import argparse
import contextlib
import json
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from ginnel.capture import Datagram, Empty, Skipped, datagrams, read
from ginnel.capture.live import Live
from ginnel.cli._arguments import Parser
from ginnel.cli._dump_keys import Keys
from ginnel.cli._dump_text import Lines, summary_lines
from ginnel.cli._terminal import Terminal, unwritten
from ginnel.config.kinds import resolve
from ginnel.config.mistakes import is_link
from ginnel.dissect import Dissection
from ginnel.dissect.summary import Summary
from ginnel.errors import CaptureError, ConfigError

SUMMARY = (
    "Show the datagrams of a capture, or of an interface: one line each, as far as the keys at hand show them.\n"
    "Without keys: what anybody on the way sees. With a share link: handshakes, and headers to the server. With a\n"
    "server's state: what stands in requests, too. Payloads need a key log, which the server or client must have\n"
    "written at the time (--key-log), and the share link or the state beside it for what goes to the server."
)
EXAMPLES = (
    ("ginnel dump trace.pcap", "what an outsider sees: addresses, sizes, times"),
    ("ginnel dump trace.pcap --link link.txt --key-log keys.log", "everything, down to streams and targets"),
    ("sudo ginnel dump --interface eth0 --port 443 --state /var/lib/ginnel", "live, on the server"),
)
_KEYS_SECONDS = 0.25
"""So long what passes on an interface waits for its keys, which an end writes down when it first needs them."""
_WAITING = 100_000
"""Datagrams that wait so; beyond, the oldest are shown with the keys that there are."""


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a capture, pcap or pcapng; - for standard input"
    )
    parser.add_argument(
        "--interface",
        metavar="IF",
        help="listen there instead, which needs root or the capability CAP_NET_RAW",
    )
    parser.add_argument("--seconds", metavar="N", type=_seconds, help="with --interface: end after so long")
    parser.add_argument("--port", metavar="P", type=_port, help="only datagrams from and to this port")
    parser.add_argument(
        "--link",
        metavar="LINK",
        help="a share link, a file that holds one, or -; without it and --state, $GINNEL_LINK",
    )
    parser.add_argument("--state", metavar="DIR", help="a server's state directory")
    parser.add_argument(
        "--key-log", metavar="FILE", help="keys that a server or client wrote down with its own --key-log"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the summary last")
    parser.add_argument("--hex", action="store_true", help="show bytes: what was opened, else the datagram")
    parser.add_argument("--stats", action="store_true", help="only the summary")


def run(parsed: argparse.Namespace) -> int:
    """Show a capture."""
    _check(parsed)
    terminal = Terminal()
    with contextlib.closing(Keys(terminal.warn)) as keys:
        keys.take(parsed)
        for shown in keys.shows or ["no keys: what an outsider sees"]:
            terminal.say(f"  {shown}")
        _Dump(parsed, keys, terminal).run()
    return 0


class _Dump:
    """One run of the command."""

    def __init__(self, parsed: argparse.Namespace, keys: Keys, terminal: Terminal) -> None:
        self._parsed = parsed
        self._keys = keys
        self._terminal = terminal
        dissector = keys.dissector if keys else None
        self._dissection = Dissection(dissector, keys.users, show_bytes=parsed.hex)
        self._summary = Summary()
        self._lines = Lines()
        self._skipped: Counter[Skipped] = Counter()
        self._segments: Counter[Empty] = Counter()
        self._lost = 0
        self._damage: CaptureError | None = None
        self._showing = False
        self._interrupted = False

    def run(self) -> None:
        """Show everything, then the summary, to which Ctrl-C goes at once; then what is wrong with the capture."""
        # Until here a signal ended the program at once: there was nothing to show.
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                for datagram in self._live() if self._parsed.interface else self._read():
                    for record in self._dissection.records(datagram):
                        self._show(record)
            self._end()
        finally:
            signal.signal(signal.SIGINT, before)
        if self._damage is not None:
            raise self._damage

    def _show(self, record: dict[str, Any]) -> None:
        """Count a record and write it: both or neither, for the summary is of what was shown."""
        self._showing = True
        self._summary.add(record)
        if not self._parsed.stats:
            _write(json.dumps(record) if self._parsed.json else self._lines.of(record))
        self._showing = False
        if self._interrupted and not self._parsed.interface:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C waits for the record that is being shown, and costs nothing of what has come by an interface.

        A second one waits for nothing: nobody may be reading.
        """
        first, self._interrupted = not self._interrupted, True
        if first and (self._showing or self._parsed.interface):
            return
        signal.default_int_handler(number, frame)

    def _end(self) -> None:
        summary = self._summary.record(segments=self._segments, skipped=self._skipped, lost=self._lost)
        if self._parsed.json:
            _write(json.dumps(summary))
        else:
            _write("\n".join([*[""] * (not self._parsed.stats), *summary_lines(summary)]))
        _flush()

    def _read(self) -> Iterator[Datagram]:
        source = (
            sys.stdin.buffer if self._parsed.file == "-" else resolve(Path(self._parsed.file), None, "FILE")
        )
        try:
            yield from datagrams(read(source), self._skipped, self._segments, port=self._parsed.port)
        except CaptureError as error:
            self._damage = error

    def _live(self) -> Iterator[Datagram]:
        """What passes, a moment later: by then its keys have been written down."""
        waiting: deque[tuple[float, Datagram]] = deque()
        with Live(self._parsed.interface, port=self._parsed.port, segments=self._segments) as live:
            ends = "" if self._parsed.seconds else ", until Ctrl-C"
            self._terminal.say(f"  listening on {self._parsed.interface}{ends}")
            for datagram in live.datagrams(self._parsed.seconds):
                if datagram is not None:
                    waiting.append((time.monotonic() + _KEYS_SECONDS, datagram))
                else:
                    self._read_keys()
                    _flush()
                while waiting and (waiting[0][0] <= time.monotonic() or len(waiting) > _WAITING):
                    yield waiting.popleft()[1]
                if self._interrupted:
                    break
            self._lost = live.lost
        self._read_keys()
        yield from (datagram for _, datagram in waiting)

    def _read_keys(self) -> None:
        if self._keys.key_log is not None:
            self._keys.key_log.read_on()


def _check(parsed: argparse.Namespace) -> None:
    if (parsed.file is None) == (parsed.interface is None):
        what = "no capture is given" if parsed.file is None else "a file and an interface are given"
        raise ConfigError(what, hint="A file, - for standard input, or --interface IF.")
    if parsed.file is not None and (is_link(parsed.file) or not parsed.file.strip()):
        raise ConfigError(
            "this is no capture file", hint="A share link goes behind --link:  ginnel dump FILE --link LINK"
        )
    if parsed.seconds is not None and parsed.interface is None:
        raise ConfigError("--seconds needs --interface", hint="A file is read to its end.")
    if parsed.file == "-" and parsed.link == "-":
        raise ConfigError(
            "standard input is both the capture and the share link", hint="Put one of them into a file."
        )


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 366 * 86_400:
        raise argparse.ArgumentTypeError("a number of seconds above 0, and at most a year")
    return seconds


def _write(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error
