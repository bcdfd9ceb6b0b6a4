"""Events of the engine as values."""

import logging

import pytest

from ginnel.api.events import (
    AddressChanged,
    EngineStopped,
    Event,
    EventsDropped,
    LinkLost,
    LinkRetry,
    LinkUp,
    is_shown,
    pass_on,
    read_event,
)


@pytest.mark.parametrize(
    ("name", "facts", "event"),
    [
        (
            "link_up",
            {"peer": "a:1", "rtt": 0.04, "session": "quic", "carrier": "udp"},
            LinkUp(peer="a:1", rtt_seconds=0.04, session="quic", carrier="udp"),
        ),
        (
            "link_up",
            {"peer": "a:1", "rtt": 1, "session": "quic", "carrier": "udp", "user": "anna", "more": 1},
            LinkUp(peer="a:1", rtt_seconds=1.0, session="quic", carrier="udp", user="anna"),
        ),
        (
            "link_up",
            {"peer": "a:1", "rtt": 1.0, "session": "quic", "carrier": "udp", "clock_off": -200.5},
            LinkUp("a:1", 1.0, "quic", "udp", clock_off_seconds=-200.5),
        ),
        ("link_down", {"peer": "a:1", "reason": "no answer"}, LinkLost(peer="a:1", reason="no answer")),
        ("link_retry", {"peer": "a:1", "seconds": 2}, LinkRetry(peer="a:1", seconds=2.0)),
        (
            "address_changed",
            {"user": "anna", "old": "a:1", "new": "b:2"},
            AddressChanged("anna", "a:1", "b:2"),
        ),
        ("dropped", {"count": 3}, EventsDropped(3)),
        ("stopped", {"reason": "crash"}, EngineStopped("crash")),
        ("of_a_newer_engine", {}, None),
    ],
)
def test_events_are_read(name: str, facts: dict[str, object], event: Event | None) -> None:
    assert read_event(name, facts) == event


@pytest.mark.parametrize(("name", "facts"), [("link_up", {"peer": "a"}), ("dropped", {"count": "many"})])
def test_missing_and_odd_facts_are_errors(name: str, facts: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        read_event(name, facts)


def test_events_are_records_of_the_log_and_reach_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ginnel")
    seen: list[Event] = []
    pass_on("link_down", {"link": "3-1", "peer": "a:1", "reason": "silent"}, seen.append)
    pass_on("link_down", {"link": "3-1", "peer": "a:1", "reason": "silent", "user": "anna"}, None)
    pass_on("dropped", {"count": 7}, seen.append)
    pass_on("unheard_of", {}, seen.append)
    assert seen == [LinkLost("a:1", "silent"), EventsDropped(7)]
    # To a client its link is all it has; a server's come and go.
    assert [record[:2] for record in caplog.record_tuples] == [
        ("ginnel.link", logging.WARNING),
        ("ginnel.link", logging.INFO),
        ("ginnel.engine", logging.WARNING),
    ]
    assert vars(caplog.records[0])["facts"] == {
        "event": "link_down",
        "link": "3-1",
        "peer": "a:1",
        "reason": "silent",
    }


def test_what_the_log_shows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ginnel.link")
    assert not is_shown(LinkUp("a:1", 0.1, "quic", "udp"))
    assert is_shown(LinkRetry("a:1", 1.0))


def test_a_hop_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ginnel")
    seen: list[Event] = []
    pass_on("hopped", {"link": "3-1", "peer": "a:2"}, seen.append)
    assert seen == []
    assert caplog.record_tuples == [("ginnel.link", logging.DEBUG, "hopped")]
    assert vars(caplog.records[0])["facts"]["peer"] == "a:2"
