"""Records of a capture as text: a line a datagram, and the summary."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ginnel.cli._table import rough_size

Record = Mapping[str, Any]

FRAMES_SHOWN = 24
"""In one packet; how many more there are is said."""
SEGMENTS_SHOWN = 24
"""In one datagram."""
_DIM, _RED, _BOLD, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
_LONGEST_HOST = 21
_CLOSE_CODES = {
    0: "the end was stopped",
    1: "the user's key is no longer accepted",
    2: "a newer link took its place",
    3: "the session failed",
    4: "one link too many of this user",
    5: "the deployment's secret is no longer accepted",
}
_SEALED = {
    "no keys": "sealed: no keys of this link",
    "other keys": "sealed: opens with none of this link's keys",
    "malformed": "malformed: it opens, and its padding is more than there can be",
}


class Lines:
    """Writes records for people. Columns are as wide as what has come so far."""

    def __init__(self) -> None:
        self._colour = (
            sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )
        self._began: float | None = None
        self._widths = [0, 0]
        self._carriers = False

    def of(self, record: Record) -> str:
        """The line of a datagram; below it its bytes, where they are asked for."""
        if self._began is None:
            self._began = record["time"]
        ends = [shortened(record["source"]), shortened(record["destination"])]
        self._widths = [max(width, len(end)) for width, end in zip(self._widths, ends, strict=True)]
        ends = [end.ljust(width) for end, width in zip(ends, self._widths, strict=True)]
        since = f"{record['time'] - self._began:.6f}"
        # Where all is UDP, nobody needs to be told with each line.
        self._carriers |= record["carrier"] != "udp"
        carrier = f"  {record['carrier']:<6}" if self._carriers else ""
        front = self._in(_DIM, f"{record['number']:>6} {since:>11}")
        line = (
            f"{front}  {ends[0]} → {ends[1]}{carrier}  {record['length']:>4}  {self._what(record)}".rstrip()
        )
        return "\n".join([line, *hexdump(bytes.fromhex(record.get("bytes", "")))])

    def _what(self, record: Record) -> str:
        text = describe(record)
        if record["what"] == "unknown" or "fault" in record or record.get("sealed") == "malformed":
            return self._in(_RED, text)
        # The first words say what it is; the rest is read when that is of interest.
        name, _, rest = text.partition("  ")
        return f"{self._in(_BOLD, name)}  {rest}" if rest else text

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour else text


def describe(record: Record) -> str:
    """What a datagram is, in a line."""
    match record["what"]:
        case "request":
            return "  ".join(["request", *_handshake(record)])
        case "answer":
            return "  ".join(["answer", f"to {record['request']}", *_handshake(record)])
        case "data":
            return "  ".join([f"data to {record['to']}", *_data(record)])
        case "unknown":
            return "unknown"
    return ""


def _handshake(record: Record) -> Iterable[str]:
    if "version" in record:
        yield f"version {record['version']}, Noise {record['noise']}"
    if "user_key" in record:
        # A request may be older than the state: its user may have gone.
        who = record["user"] or f"unknown user {record['user_key'][:8]}…"
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record["time_ns"] / 1e9))
        yield f"{who}, {when} UTC"
        yield f"instance {record['instance'][:8]}…, member {record['member']}, attempt {record['attempt']}"
        yield f"session {record['session']}, {record['session_kind']}" + (", AES" if record["aes"] else "")
    if "fault" in record:
        yield record["fault"]


def _data(record: Record) -> Iterable[str]:
    yield f"{record['session']} #{record['counter']}"
    if "sealed" in record:
        padded = ", padded" if record["padded"] else ""
        yield f"{record['kind']}, epoch {record['epoch']}{padded}"
        yield _SEALED[record["sealed"]]
        return
    extras = [f"keys {record['keys_number']}"]
    if record["padding"]:
        extras.append(f"padding {record['padding']}")
    if record["zeros"]:
        extras.append(f"zeros {record['zeros']}")
    yield ", ".join(extras)
    if record["kind"] == "control":
        yield _control(record)
    for packet in record.get("packets", ()):
        yield _packet(packet)
    segments = record.get("segments", ())
    for segment in segments[:SEGMENTS_SHOWN]:
        yield _segment(segment)
    if len(segments) > SEGMENTS_SHOWN:
        yield f"and {len(segments) - SEGMENTS_SHOWN} more"


def _control(record: Record) -> str:
    message = record.get("message")
    if message is None:
        return "unknown control message"
    if message == "close":
        code = record["code"]
        return f"close {code}" + (f" ({_CLOSE_CODES[code]})" if code in _CLOSE_CODES else "")
    if "next_number" in record:
        return f"{message} {record['next_number']}"
    return f"{message} {record['token']}"


def _packet(packet: Record) -> str:
    number = "?" if packet["number"] is None else packet["number"]
    return f"[{packet['kind']} {number}: {', '.join(_inside(packet))}]"


def _segment(segment: Record) -> str:
    """A segment of KCP: its lane and number, up to where its sender has all, and what is in it."""
    name = segment["segment"]
    text = name
    if "lane" in segment:
        text += f" lane {segment['lane']} #{segment['number']}, una {segment['una']}"
    if "total" in segment:
        text += f", @{segment['offset']}+{segment['length']} of {segment['total']}"
    elif name in ("PUSH", "PADDING"):
        text += f" +{segment['length']}" if name == "PADDING" else f", +{segment['length']}"
    if name == "WINS":
        text += f", window {segment['window']}"
    inside = [_ranges(segment["ranges"])] if segment.get("ranges") else []
    inside += _inside(segment)
    return f"[{text}: {', '.join(inside)}]" if inside else f"[{text}]"


def _inside(one: Record) -> list[str]:
    """The frames of a packet or segment, and what is wrong with it."""
    shown = [frame_text(frame) for frame in one["frames"][:FRAMES_SHOWN]]
    more = len(one["frames"]) - FRAMES_SHOWN
    if more > 0:
        shown.append(f"and {more} more")
    if "fault" in one:
        shown.append(f"malformed: {one['fault']}: {one['rest']}".rstrip(": "))
    return shown


def _ranges(ranges: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{low}-{high}" if low < high else str(low) for low, high in ranges)


def frame_text(frame: Record) -> str:
    """A frame in a few words."""
    name = frame["frame"]
    match name:
        case "PADDING":
            return f"PADDING {frame['length']}"
        case "ACK":
            return f"ACK {_ranges(frame['ranges'])}"
        case "STREAM":
            text = f"STREAM {frame['stream']} @{frame['offset']}+{frame['length']}"
            text += " FIN" if frame["fin"] else ""
            if "open" in frame:
                return f"{text} open {frame['open']}"
            return f"{text} {frame['reply']}" if "reply" in frame else text
        case "PSH":
            text = f"PSH {frame['stream']} +{frame['length']}"
            text += f" ({frame['here']} here)" if "here" in frame else ""
            if "open" in frame:
                return f"{text} open {frame['open']}"
            return f"{text} {frame['reply']}" if "reply" in frame else text
        case "CRYPTO":
            return f"CRYPTO @{frame['offset']}+{frame['length']}"
    facts = [f"{field} {value}" for field, value in frame.items() if field != "frame" and value != ""]
    return " ".join([name, *facts])


def shortened(endpoint: str) -> str:
    """An address and a port; of a long address the beginning and the end."""
    host, _, port = endpoint.rpartition(":")
    if len(host) > _LONGEST_HOST:
        host = f"{host[:11]}…{host[-8:]}"
    return f"{host}:{port}"


def hexdump(data: bytes) -> list[str]:
    """Sixteen bytes a line: offset, digits, and the letters among them."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"        {at:04x}  {row.hex(' '):<47}  {letters}")
    return lines


def summary_lines(summary: Record) -> list[str]:
    """The summary for people."""
    kinds = summary["kinds"]
    size = rough_size(summary["bytes"])
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if kind != "datagram")
    lines = [
        f"{summary['datagrams']:,} datagrams, {size}, in {summary['seconds']:.3f} s"
        + (f": {counts}" if counts else "")
    ]
    for link in summary["links"]:
        name = f"link {link['link']}" if "link" in link else f"session {link['session']} to {link['to']}"
        keys = f", keys {' '.join(map(str, link['keys']))}" if "keys" in link else ""
        lines.append(f"{name}: {link['datagrams']:,} datagrams{keys}")
    if summary["more_links"]:
        lines.append(f"and more links, of which {summary['more_links']:,} datagrams are")
    if summary["targets"]:
        lines.append(f"targets: {', '.join(summary['targets'])}")
    if summary["sealed"]:
        lines.append("sealed: " + ", ".join(f"{count:,} {why}" for why, count in summary["sealed"].items()))
    if summary["malformed"]:
        lines.append(f"malformed: {summary['malformed']:,}")
    if summary["segments"]:
        segments = ", ".join(f"{count:,} {kind}" for kind, count in summary["segments"].items())
        lines.append(f"TCP segments without payload: {segments}")
    if summary["skipped"]:
        skipped = ", ".join(f"{count:,} {why}" for why, count in summary["skipped"].items())
        lines.append(f"frames left out: {skipped}")
    if summary["lost"]:
        lines.append(f"lost: {summary['lost']:,} frames came faster than they were taken")
    return lines
