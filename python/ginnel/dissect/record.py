"""One record for each datagram: what `ginnel dump --json` writes, and what its text is made of.

The fields are described in docs/disguise.md and are stable: a program may rely on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ginnel.capture.packets import Datagram
from ginnel.dissect.kcp import Segment, is_kcp, segments
from ginnel.dissect.mux import Openings
from ginnel.dissect.quic import Packet, packets

Record = dict[str, Any]

LONGEST = 1472
"""Bytes of the longest datagram that ginnel sends. What is longer was captured before segmentation."""

_BYTES = "instance", "parameters", "token", "public_key"
"""Fields that are bytes, and are written in hexadecimal."""
_DROPPED = "user", "link", "session", "plaintext", "server", "request", "number"
"""Fields that are written otherwise."""

MAX_KINDS = 4096
"""So many links are remembered by what their requests asked for; one more displaces the oldest."""


class Opener(Protocol):
    """What opens datagrams: the engine's dissector, handed in so that this room does not depend on it."""

    def dissect(self, datagram: bytes) -> dict[str, Any]:
        """Say what a datagram is."""

    def segment(self, piece: bytes) -> int | None:
        """The length of the segments of what was captured before segmentation."""


class Dissection:
    """Makes records of datagrams, in their order. `opener`: None where there are no keys at all."""

    def __init__(
        self, opener: Opener | None, users: Mapping[bytes, str] | None = None, *, show_bytes: bool = False
    ) -> None:
        self._opener = opener
        self._users = users or {}
        self._show_bytes = show_bytes
        self._number = 0
        self._openings = Openings()
        # By the client's session id: known where a request was captured and opened.
        self._kinds: dict[int, str] = {}

    def records(self, datagram: Datagram) -> Iterator[Record]:
        """The record of a datagram; of one that is several, captured before segmentation, theirs."""
        payload = datagram.payload
        segment = None
        if self._opener is not None and len(payload) > LONGEST:
            segment = self._opener.segment(payload)
        if segment is None:
            yield self._record(datagram)
            return
        for at in range(0, len(payload), segment):
            yield self._record(datagram._replace(payload=payload[at : at + segment]))

    def _record(self, datagram: Datagram) -> Record:
        self._number += 1
        record: Record = {
            "number": self._number,
            "time": round(datagram.time, 6),
            "source": _endpoint(datagram.source),
            "destination": _endpoint(datagram.destination),
            "carrier": datagram.carrier,
            "length": len(datagram.payload),
            "what": "datagram",
        }
        shown = datagram.payload
        if self._opener is not None:
            found = self._opener.dissect(datagram.payload)
            record |= self._found(found)
            shown = found.get("plaintext", shown)
        if self._show_bytes:
            record["bytes"] = shown.hex()
        return record

    def _found(self, found: Mapping[str, Any]) -> Record:
        record = {name: value for name, value in found.items() if name not in _DROPPED}
        for name in _BYTES:
            if name in record:
                record[name] = record[name].hex()
        if "session" in found:
            record["session"] = f"{found['session']:08x}"
        if "link" in found:
            record["link"] = "-".join(f"{session:08x}" for session in found["link"])
        if "number" in found:
            record["keys_number"] = found["number"]
        if "user" in found:
            record["user"] = self._users.get(found["user"])
            record["user_key"] = found["user"].hex()
        if "request" in found:
            record["request"] = found["request"]
        if found.get("kind") in ("session", "trimmed") and "plaintext" in found:
            record |= self._session(found["plaintext"], found["link"], from_client=found["to"] == "server")
        if "session_kind" in found:
            self._learn(found["session"], found["session_kind"])
        return record

    def _session(self, plaintext: bytes, link: tuple[int, int], *, from_client: bool) -> Record:
        """What stands in an opened packet of the session, of which a link has one kind."""
        kind = self._kinds.get(link[1])
        if kind == "kcp" or (kind is None and is_kcp(plaintext)):
            read = segments(plaintext, self._openings, link, from_client=from_client)
            return {"segments": [_segment(segment) for segment in read]}
        return {"packets": [_packet(packet) for packet in packets(plaintext, from_client=from_client)]}

    def _learn(self, session: int, kind: str) -> None:
        self._kinds.pop(session, None)
        self._kinds[session] = kind
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]


def _packet(packet: Packet) -> Record:
    return {"kind": packet.kind, "number": packet.number} | _inside(packet)


def _segment(segment: Segment) -> Record:
    return {"segment": segment.name} | segment.facts | _inside(segment)


def _inside(one: Packet | Segment) -> Record:
    record: Record = {"frames": [{"frame": frame.name} | frame.facts for frame in one.frames]}
    if one.fault is not None:
        record |= {"fault": one.fault, "rest": one.rest}
    return record


def _endpoint(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
