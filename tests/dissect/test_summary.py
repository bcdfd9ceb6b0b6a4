"""Counts of a capture."""

from collections import Counter
from typing import Any

from ginnel.capture import Empty, Skipped
from ginnel.dissect.summary import MAX_LINKS, MAX_TARGETS, Summary

EMPTY: Counter[Skipped] = Counter()
NONE: Counter[Empty] = Counter()


def data(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"what": "data", "time": 5.0 + number, "length": 100, "to": "server", "session": "0a"} | more


def test_everything_is_counted_once() -> None:
    summary = Summary()
    summary.add({"what": "request", "time": 5.0, "length": 300})
    summary.add({"what": "unknown", "time": 5.5, "length": 20})
    opened = [{"frame": "STREAM", "open": "a:1"}, {"frame": "STREAM", "open": "a:1"}]
    for keys in (0, 1, 1):
        summary.add(data(1, link="a-b", keys_number=keys, packets=[{"frames": opened}]))
    summary.add(data(2, sealed="no keys"))
    summary.add(data(2, sealed="no keys", to="client"))
    segments = Counter({Empty.ACK: 10, Empty.SYN: 1})
    told = summary.record(segments=segments, skipped=Counter({Skipped.NEITHER: 3}), lost=2)
    assert told == {
        "what": "summary",
        "datagrams": 7,
        "bytes": 820,
        "seconds": 2.0,
        "kinds": {"request": 1, "unknown": 1, "data": 5},
        "links": [
            {"link": "a-b", "datagrams": 3, "keys": [0, 1]},
            {"session": "0a", "to": "server", "datagrams": 1},
            {"session": "0a", "to": "client", "datagrams": 1},
        ],
        "more_links": 0,
        "targets": ["a:1"],
        "sealed": {"no keys": 2},
        "malformed": 0,
        "segments": {"syn": 1, "ack": 10},
        "skipped": {"neither UDP nor TCP": 3},
        "lost": 2,
    }


def test_what_is_malformed_is_counted_a_datagram() -> None:
    summary = Summary()
    summary.add(data(packets=[{"frames": [], "fault": "x"}, {"frames": [], "fault": "y"}]))
    summary.add(data(sealed="malformed"))
    summary.add({"what": "request", "time": 5.0, "length": 300, "fault": "z"})
    summary.add(data(packets=[{"frames": []}]))
    assert summary.record(segments=NONE, skipped=EMPTY, lost=0)["malformed"] == 3


def test_tables_have_a_bound() -> None:
    summary = Summary()
    for number in range(MAX_LINKS + 5):
        frames = [{"frame": "STREAM", "open": f"host:{number}"}]
        summary.add(data(link=f"{number}", keys_number=0, packets=[{"frames": frames}]))
    told = summary.record(segments=NONE, skipped=EMPTY, lost=0)
    assert (len(told["links"]), told["more_links"], len(told["targets"])) == (MAX_LINKS, 5, MAX_TARGETS)
    assert told["datagrams"] == MAX_LINKS + 5


def test_nothing_is_nothing() -> None:
    told = Summary().record(segments=NONE, skipped=EMPTY, lost=0)
    assert (told["datagrams"], told["seconds"], told["kinds"], told["segments"]) == (0, 0.0, {}, {})


def test_segments_of_kcp_are_counted_as_packets_are() -> None:
    summary = Summary()
    summary.add(data(link="a-b", keys_number=0, segments=[{"frames": [{"frame": "PSH", "open": "a:1"}]}]))
    summary.add(data(link="a-b", keys_number=0, segments=[{"frames": []}, {"frames": [], "fault": "x"}]))
    told = summary.record(segments=NONE, skipped=EMPTY, lost=0)
    assert (told["targets"], told["malformed"]) == (["a:1"], 1)
