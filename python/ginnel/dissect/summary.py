"""What a capture came to: counts of datagrams, links and targets, each table with a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ginnel.capture.packets import Empty, Skipped

MAX_LINKS = 256
MAX_TARGETS = 64
"""Links and targets that are told one by one."""
_MAX_KEYS = 64


class Summary:
    """Counts records."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._sealed: Counter[str] = Counter()
        self._links: dict[tuple[str, ...], dict[str, Any]] = {}
        self._targets: dict[str, None] = {}
        self._bytes = self._malformed = self._more_links = 0
        self._first: float | None = None
        self._last = 0.0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a datagram."""
        self._kinds[record["what"]] += 1
        self._bytes += record["length"]
        self._first = record["time"] if self._first is None else self._first
        self._last = record["time"]
        if record["what"] == "data":
            self._add_data(record)
        faults = [one for one in _parts(record) if "fault" in one]
        if faults or "fault" in record or record.get("sealed") == "malformed":
            self._malformed += 1

    def _add_data(self, record: Mapping[str, Any]) -> None:
        if "sealed" in record:
            self._sealed[record["sealed"]] += 1
        link = self._link(record)
        if link is None:
            self._more_links += 1
            return
        link["datagrams"] += 1
        number = record.get("keys_number")
        if number is not None and number not in link["keys"] and len(link["keys"]) < _MAX_KEYS:
            link["keys"].append(number)
        for one in _parts(record):
            for frame in one["frames"]:
                if "open" in frame and len(self._targets) < MAX_TARGETS:
                    self._targets[frame["open"]] = None

    def _link(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """The entry of the record's link; without its keys, that of the id that is seen."""
        if "link" in record:
            name: tuple[str, ...] = (record["link"],)
            new: dict[str, Any] = {"link": record["link"], "datagrams": 0, "keys": []}
        else:
            name = record["to"], record["session"]
            new = {"session": record["session"], "to": record["to"], "datagrams": 0}
        if name not in self._links and len(self._links) >= MAX_LINKS:
            return None
        return self._links.setdefault(name, new)

    def record(self, *, segments: Counter[Empty], skipped: Counter[Skipped], lost: int) -> dict[str, Any]:
        """Everything that was counted.

        `segments`: those of TCP without payload; `skipped`: frames without a datagram; `lost`: frames that were missed.
        """
        return {
            "what": "summary",
            "datagrams": self._kinds.total(),
            "bytes": self._bytes,
            "seconds": round(0.0 if self._first is None else self._last - self._first, 6),
            "kinds": dict(self._kinds),
            "links": list(self._links.values()),
            "more_links": self._more_links,
            "targets": list(self._targets),
            "sealed": dict(self._sealed),
            "malformed": self._malformed,
            "segments": {str(kind): segments[kind] for kind in Empty if segments[kind]},
            "skipped": {str(why): count for why, count in skipped.items()},
            "lost": lost,
        }


def _parts(record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What frames stand in: packets of QUIC, or segments of KCP."""
    parts: Sequence[Mapping[str, Any]] = record.get("packets") or record.get("segments") or ()
    return parts
